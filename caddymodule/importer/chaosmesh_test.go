package importer

import "testing"

func TestChaosMesh(t *testing.T) {
	checkCases(t, []importCase{
		{
			name: "An abort of requests.",
			file: "chaos.yaml",
			source: `
kind: HTTPChaos
metadata: {name: lost}
spec:
  mode: one
  target: Request
  path: /a/*/b
  method: get
  request_headers: {X-A: v}
  abort: true
  delay: 2s
`,
			want: `
# Imported from chaos.yaml, HTTPChaos lost.
# Approximate: mode and selector choose pods; here every request is chosen.

fault {
	point lost
	match {
		header X-A v
		method GET
		path_regexp ^/a/.*/b$
	}
	close
}
`,
			notes: `
chaos.yaml:4: spec.mode: approximate: mode one chooses some of the pods; here every request is chosen
chaos.yaml:10: spec.delay: remark: delay has no effect beside abort
`,
		},
		{
			name: "A body without a code.",
			file: "chaos.yaml",
			source: `
kind: HTTPChaos
metadata: {name: lost}
spec:
  mode: all
  target: Response
  path: "*"
  replace: {body: aGVsbG8=, headers: {X-A: "1"}}
  patch: {headers: [[Set-Cookie, a=1]]}
`,
			want: `
# Imported from chaos.yaml, HTTPChaos lost.

fault {
	point lost
	phase response
	patch {
		body hello
		header X-A 1
		header +Set-Cookie a=1
	}
}
`,
			notes: "",
		},
		{
			name: "A patch of JSON.",
			file: "chaos.yaml",
			source: `
kind: HTTPChaos
metadata: {name: lost}
spec:
  mode: all
  target: Response
  code: 200
  response_headers: {Content-Type: application/json}
  patch: {body: {type: JSON, value: '{"a": null, "b": [1, 2]}'}}
`,
			want: "" +
				"# Imported from chaos.yaml, HTTPChaos lost.\n" +
				"\n" +
				"fault {\n" +
				"\tpoint lost\n" +
				"\tmatch_response {\n" +
				"\t\tstatus 200\n" +
				"\t\theader Content-Type application/json\n" +
				"\t}\n" +
				"\tpatch {\n" +
				"\t\tjson `{\"a\":null,\"b\":[1,2]}`\n" +
				"\t}\n" +
				"}\n",
			notes: "",
		},
		{
			name: "A code without a body.",
			file: "chaos.yaml",
			source: `
kind: HTTPChaos
metadata: {name: lost}
spec:
  target: Response
  replace: {code: 404}
`,
			want: `
# Imported from chaos.yaml, HTTPChaos lost.

fault {
	point lost
	phase response
	patch {
		status 404
	}
}
`,
			notes: "",
		},
		{
			name: "A code that has no body.",
			file: "chaos.yaml",
			source: `
kind: HTTPChaos
metadata: {name: lost}
spec:
  target: Response
  replace: {code: 204}
`,
			want: `
# Imported from chaos.yaml, HTTPChaos lost.

fault {
	point lost
	phase response
	respond 204 ""
}
`,
			notes: "",
		},
		{
			name: "What is not JSON, or not base64.",
			file: "chaos.yaml",
			source: `
kind: HTTPChaos
metadata: {name: lost}
spec:
  target: Response
  replace: {body: "%"}
  patch: {body: {type: XML, value: "<a/>"}, headers: [[a]]}
`,
			want: `
# Imported from chaos.yaml, HTTPChaos lost.

# Left out: HTTPChaos lost: want a name and a value; the text is not base64; the patch of the body is not an object of JSON.
# fault {
# 	point lost
# 	phase response
# 	patch {
# 		body ""
# 	}
# }
`,
			notes: `
chaos.yaml:5: spec.replace.body: left out: the text is not base64
chaos.yaml:6: spec.patch.headers[0]: left out: want a name and a value
chaos.yaml:6: spec.patch.body: left out: the patch of the body is not an object of JSON
`,
		},
		{
			name: "Changes of requests are left out.",
			file: "chaos.yaml",
			source: `
kind: HTTPChaos
metadata: {name: lost}
spec:
  target: Request
  code: 200
  replace: {path: /b, method: PUT}
  patch: {queries: [[a, b]]}
`,
			want: `
# Imported from chaos.yaml, HTTPChaos lost.

# Left out: HTTPChaos lost: a request does not have code yet.
`,
			notes: `
chaos.yaml:5: spec.code: left out: a request does not have code yet
chaos.yaml:6: spec.replace.path: left out: nothing changes a request: the rule goes without path
chaos.yaml:6: spec.replace.method: left out: nothing changes a request: the rule goes without method
chaos.yaml:7: spec.patch.queries: left out: nothing changes a request: the rule goes without queries
`,
		},
		{
			name: "A request that is only slow.",
			file: "chaos.yaml",
			source: `
kind: HTTPChaos
metadata: {name: lost}
spec:
  target: Request
  delay: 1m
  duration: 90s
  replace: {path: /b}
`,
			want: `
# Imported from chaos.yaml, HTTPChaos lost.

fault {
	point lost
	end 90s
	delay 1m
}
`,
			notes: `
chaos.yaml:6: spec.duration: remark: the duration counts from when the rule is loaded
chaos.yaml:7: spec.replace.path: left out: nothing changes a request: the rule goes without path
`,
		},
		{
			name: "Fields that the resource does not know.",
			file: "chaos.yaml",
			source: `
kind: HTTPChaos
metadata: {name: lost}
spec:
  target: Reply
  statusCode: 500
  scheduler: {cron: "@every 1m"}
  duration: long
`,
			want: `
# Imported from chaos.yaml, HTTPChaos lost.

# Left out: HTTPChaos lost: target must be Request or Response; want a duration such as 1.5s, got long.
`,
			notes: `
chaos.yaml:3: spec: left out: target must be Request or Response
chaos.yaml:5: spec.statusCode: left out: the field statusCode is not known
chaos.yaml:6: spec.scheduler: left out: the field scheduler is not known
chaos.yaml:7: spec.duration: left out: want a duration such as 1.5s, got long
`,
		},
		{
			name: "A Workflow and a Schedule.",
			file: "chaos.yaml",
			source: `
kind: Workflow
metadata: {name: flow}
spec:
  templates:
  - name: entry
    templateType: Serial
  - name: lost
    httpChaos: {mode: all, target: Response, abort: true}
---
kind: Schedule
metadata: {name: often}
spec:
  schedule: "5 * * * *"
  httpChaos: {mode: all, selector: {}, target: Request, delay: 1s}
`,
			want: `
# Imported from chaos.yaml, the HTTPChaos lost of the Workflow flow.

fault {
	point lost
	phase response
	close
}

# Imported from chaos.yaml, Schedule often.
# mode and selector choose pods; here every request is chosen.

# Left out: HTTPChaos often: a schedule such as '5 * * * *' cannot be said: write cycle.
# fault {
# 	point often
# 	delay 1s
# }
`,
			notes: `
chaos.yaml:8: spec.templates[1].httpChaos: elsewhere: a Workflow runs lost at its time; here it begins at once
chaos.yaml:13: spec.schedule: left out: a schedule such as '5 * * * *' cannot be said: write cycle
`,
		},
		{
			name: "Five experiments in one file.",
			file: "chaos.yaml",
			source: `
kind: HTTPChaos
metadata: {name: abort}
spec: {mode: all, target: Request, port: 80, path: /a, abort: true}
---
kind: HTTPChaos
metadata: {name: slow}
spec: {mode: fixed-percent, value: "50", target: Response, path: "/b*", delay: 1500ms, duration: 10m}
---
kind: HTTPChaos
metadata: {name: status}
spec: {mode: all, target: Response, code: 404, replace: {code: 200, body: b2s=}}
---
kind: HTTPChaos
metadata: {name: fields}
spec: {mode: all, target: Response, method: POST, replace: {headers: {Server: x}}, patch: {headers: [[X-A, "1"], [X-A, "2"]]}}
---
kind: HTTPChaos
metadata: {name: json}
spec: {mode: all, target: Response, response_headers: {X-B: v}, patch: {body: {type: JSON, value: "{\"a\": 1}"}}}
`,
			want: "" +
				"# Imported from chaos.yaml, HTTPChaos abort.\n" +
				"\n" +
				"fault {\n" +
				"\tpoint abort\n" +
				"\tmatch path /a\n" +
				"\tclose\n" +
				"}\n" +
				"\n" +
				"# Imported from chaos.yaml, HTTPChaos slow.\n" +
				"# Approximate: mode and selector choose pods; here every request is chosen.\n" +
				"\n" +
				"fault {\n" +
				"\tpoint slow\n" +
				"\tmatch path /b*\n" +
				"\tphase response\n" +
				"\tend 10m\n" +
				"\tdelay 1500ms\n" +
				"}\n" +
				"\n" +
				"# Imported from chaos.yaml, HTTPChaos status.\n" +
				"\n" +
				"fault {\n" +
				"\tpoint status\n" +
				"\tmatch_response status 404\n" +
				"\trespond 200 ok\n" +
				"}\n" +
				"\n" +
				"# Imported from chaos.yaml, HTTPChaos fields.\n" +
				"\n" +
				"fault {\n" +
				"\tpoint fields\n" +
				"\tmatch method POST\n" +
				"\tphase response\n" +
				"\tpatch {\n" +
				"\t\theader Server x\n" +
				"\t\theader +X-A 1\n" +
				"\t\theader +X-A 2\n" +
				"\t}\n" +
				"}\n" +
				"\n" +
				"# Imported from chaos.yaml, HTTPChaos json.\n" +
				"\n" +
				"fault {\n" +
				"\tpoint json\n" +
				"\tmatch_response header X-B v\n" +
				"\tpatch {\n" +
				"\t\tjson `{\"a\":1}`\n" +
				"\t}\n" +
				"}\n",
			notes: `
chaos.yaml:3: spec.port: elsewhere: the port 80 is that of the pods: put these lines where their requests go
chaos.yaml:7: spec.mode: approximate: mode fixed-percent chooses some of the pods; here every request is chosen
chaos.yaml:7: spec.duration: remark: the duration counts from when the rule is loaded
`,
		},
	})
}
