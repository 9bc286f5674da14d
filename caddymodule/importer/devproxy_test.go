package importer

import "testing"

func TestDevProxy(t *testing.T) {
	checkCases(t, []importCase{
		{
			name: "Latency.",
			file: "devproxyrc.json",
			source: `
{"plugins": [{"name": "LatencyPlugin", "configSection": "s"}, {"name": "LatencyPlugin", "configSection": "t"}, {"name": "LatencyPlugin", "configSection": "u"}], "urlsToWatch": ["https://a.example/*"], "t": {"minMs": 500, "maxMs": 500}, "u": {"minMs": 500, "maxMs": 100}}
`,
			want: `
# Imported from devproxyrc.json, 3 plugins.
# It is for the site a.example.

fault {
	point devproxyrc-latency
	delay 0s 5s
}
fault {
	point devproxyrc-latency-2
	delay 500ms
}
# Left out: LatencyPlugin: minMs is above maxMs.
# fault {
# 	point devproxyrc-latency-3
# 	delay 100ms
# }
`,
			notes: `
devproxyrc.json:1: urlsToWatch: elsewhere: It is for the site a.example.
devproxyrc.json:1: u: left out: minMs is above maxMs
`,
		},
		{
			name: "URLs of several hosts, and exceptions.",
			file: "devproxyrc.json",
			source: `
{"plugins": [{"name": "LatencyPlugin", "configSection": "s"}],
 "urlsToWatch": ["!https://a.example/health*", "https://a.example/api/*", "https://*.b.example/*", "https://c.example/x", "https://d.example/*/y"], "s": {"maxMs": 10}}
`,
			want: "" +
				"# Imported from devproxyrc.json, 1 plugin.\n" +
				"\n" +
				"# Left out: LatencyPlugin: the exception https://a.example/health* cannot be said.\n" +
				"# fault {\n" +
				"# \tpoint devproxyrc-latency\n" +
				"# \tmatch {\n" +
				"# \t\thost a.example\n" +
				"# \t\tpath /api/*\n" +
				"# \t}\n" +
				"# \tmatch host *.b.example\n" +
				"# \tmatch {\n" +
				"# \t\texpression `{http.request.uri} == \"/x\"`\n" +
				"# \t\thost c.example\n" +
				"# \t}\n" +
				"# \tmatch {\n" +
				"# \t\texpression `{http.request.uri}.matches(\"^/.*/y$\")`\n" +
				"# \t\thost d.example\n" +
				"# \t}\n" +
				"# \tdelay 0s 10ms\n" +
				"# }\n",
			notes: `
devproxyrc.json:2: urlsToWatch[0]: left out: the exception https://a.example/health* cannot be said
`,
		},
		{
			name: "URLs that are not said.",
			file: "devproxyrc.json",
			source: `
{"plugins": [{"name": "LatencyPlugin", "configSection": "s"}],
 "urlsToWatch": ["*", "https://a.example*"]}
`,
			want: `
# Imported from devproxyrc.json, 1 plugin.

# Left out: LatencyPlugin: the URL * does not have a host and a path; the URL https://a.example* does not have a host and a path.
# fault {
# 	point devproxyrc-latency
# 	delay 0s 5s
# }
`,
			notes: `
devproxyrc.json:2: urlsToWatch[0]: left out: the URL * does not have a host and a path
devproxyrc.json:2: urlsToWatch[1]: left out: the URL https://a.example* does not have a host and a path
`,
		},
		{
			name: "Random errors in order.",
			file: "devproxyrc.json",
			source: `
{"rate": 20, "plugins": [{"name": "GenericRandomErrorPlugin", "configSection": "s"}], "urlsToWatch": ["https://a.example/*"],
 "s": {"retryAfterInSeconds": 9, "errors": [
  {"request": {"url": "https://a.example/x/*", "method": "POST"}, "responses": [{"statusCode": 429, "headers": {"Retry-After": "@dynamic=17"}, "body": "slow"}]},
  {"request": {"url": "https://a.example/x/*"}, "responses": [{}, {"statusCode": 500, "headers": [{"name": "Retry-After", "value": "@dynamic"}]}]},
  {"request": {"url": "https://a.example/y/*", "bodyFragment": "z"}, "responses": [{"statusCode": 502}]},
  {"request": {"url": "https://a.example/*"}, "responses": [{"statusCode": 503, "body": {"a": [1]}}]},
  {"request": {"url": "nowhere"}, "responses": [{"statusCode": 504}]}, {"request": {"url": "https://a.example/z"}, "responses": []}]}}
`,
			want: "" +
				"# Imported from devproxyrc.json, 1 plugin.\n" +
				"# It is for the site a.example.\n" +
				"# Approximate: Retry-After @dynamic counts down in Dev Proxy and throttles until then; here it is 17 seconds each time.\n" +
				"# Approximate: Retry-After @dynamic counts down in Dev Proxy and throttles until then; here it is 9 seconds each time.\n" +
				"\n" +
				"fault {\n" +
				"\tpoint devproxyrc-errors\n" +
				"\trule errors1 {\n" +
				"\t\tmatch {\n" +
				"\t\t\tmethod POST\n" +
				"\t\t\tpath /x/*\n" +
				"\t\t}\n" +
				"\t\tchoose {\n" +
				"\t\t\t20 respond 429 {\n" +
				"\t\t\t\tbody slow\n" +
				"\t\t\t\tretry_after 17s\n" +
				"\t\t\t}\n" +
				"\t\t\t80 pass\n" +
				"\t\t}\n" +
				"\t}\n" +
				"\trule errors2 {\n" +
				"\t\tmatch path /x/*\n" +
				"\t\tchoose {\n" +
				"\t\t\t20 choose {\n" +
				"\t\t\t\t1 respond 400 \"\"\n" +
				"\t\t\t\t1 respond 500 {\n" +
				"\t\t\t\t\tbody \"\"\n" +
				"\t\t\t\t\tretry_after 9s\n" +
				"\t\t\t\t}\n" +
				"\t\t\t}\n" +
				"\t\t\t80 pass\n" +
				"\t\t}\n" +
				"\t}\n" +
				"\n" +
				"\t# Left out: the errors of https://a.example/y/*: no matcher knows bodyFragment.\n" +
				"\t# rule errors3 {\n" +
				"\t# \tmatch path /y/*\n" +
				"\t# \tpercent 20\n" +
				"\t# \trespond 502 \"\"\n" +
				"\t# }\n" +
				"\n" +
				"\t# Left out: the errors of https://a.example/*: the errors of https://a.example/y/* decides first and cannot be said.\n" +
				"\t# rule errors4 {\n" +
				"\t# \tpercent 20\n" +
				"\t# \trespond 503 `{\"a\":[1]}`\n" +
				"\t# }\n" +
				"}\n",
			notes: `
devproxyrc.json:1: urlsToWatch: elsewhere: It is for the site a.example.
devproxyrc.json:3: s.errors[0].responses[0].headers.Retry-After: approximate: Retry-After @dynamic counts down in Dev Proxy and throttles until then; here it is 17 seconds each time
devproxyrc.json:4: s.errors[1].responses[1].headers[0]: approximate: Retry-After @dynamic counts down in Dev Proxy and throttles until then; here it is 9 seconds each time
devproxyrc.json:5: s.errors[2].request.bodyFragment: left out: no matcher knows bodyFragment
devproxyrc.json:6: s.errors[3]: left out: the errors of https://a.example/y/* decides first and cannot be said
devproxyrc.json:7: s.errors[4].request: left out: the URL nowhere does not have a host and a path
devproxyrc.json:7: s.errors[4].request: left out: a Caddyfile cannot contain the host ''
devproxyrc.json:7: s.errors[4]: remark: the errors of nowhere is never reached: the errors of https://a.example/* matches every request
`,
		},
		{
			name: "Errors in a file that is not there.",
			file: "devproxyrc.json",
			source: `
{"plugins": [{"name": "GenericRandomErrorPlugin", "configSection": "s"}], "urlsToWatch": ["https://a.example/*"], "s": {"errorsFile": "errors.json"}}
`,
			want: `
# Imported from devproxyrc.json, 1 plugin.
# It is for the site a.example.

# Left out: GenericRandomErrorPlugin: the file errors.json cannot be read.
# fault {
# 	point devproxyrc-errors
# 	respond 500
# }
`,
			notes: `
devproxyrc.json:1: urlsToWatch: elsewhere: It is for the site a.example.
devproxyrc.json:1: s.errorsFile: left out: the file errors.json cannot be read
`,
		},
		{
			name: "Microsoft Graph.",
			file: "devproxyrc.json",
			source: `
{"plugins": [{"name": "GraphRandomErrorPlugin", "configSection": "s"}, {"name": "GraphRandomErrorPlugin", "configSection": "t"}], "urlsToWatch": ["https://graph.microsoft.com/v1.0/*"], "s": {"rate": 30, "allowedErrors": [429, 503]}}
`,
			want: `
# Imported from devproxyrc.json, 2 plugins.
# It is for the site graph.microsoft.com.

fault {
	point devproxyrc-graph-errors
	match path /v1.0/*
	percent 30
	respond 429,503
}
# Left out: GraphRandomErrorPlugin: its errors are in Dev Proxy: write them as allowedErrors.
# fault {
# 	point devproxyrc-graph-errors-2
# 	match path /v1.0/*
# 	percent 50
# 	respond ""
# }
`,
			notes: `
devproxyrc.json:1: urlsToWatch: elsewhere: It is for the site graph.microsoft.com.
devproxyrc.json:1: plugins[0]: approximate: the errors have the bodies of the catalog, not those of Microsoft Graph
devproxyrc.json:1: plugins[1]: approximate: the errors have the bodies of the catalog, not those of Microsoft Graph
devproxyrc.json:1: plugins[1]: left out: its errors are in Dev Proxy: write them as allowedErrors
`,
		},
		{
			name: "Quotas.",
			file: "devproxyrc.json",
			source: `
{"plugins": [{"name": "RateLimitingPlugin", "configSection": "s"}, {"name": "RateLimitingPlugin", "configSection": "t"}], "urlsToWatch": ["https://a.example/*"],
 "s": {"headerRetryAfter": "X-Retry"}, "t": {"rateLimit": 1, "costPerRequest": 2, "whenLimitExceeded": "Custom"}}
`,
			want: `
# Imported from devproxyrc.json, 2 plugins.
# It is for the site a.example.

fault {
	point devproxyrc-limit
	ratelimit 60 1m off {
		respond 429 {
			body ""
			header X-Retry {http.fault.reset}
		}
	}
}
# Left out: RateLimitingPlugin: the file rate-limit-response.json cannot be read; the quota is less than one request, or the time is less than a second.
# fault {
# 	point devproxyrc-limit-2
# 	ratelimit 0 1m off {
# 		respond 429 ""
# 	}
# }
`,
			notes: `
devproxyrc.json:1: urlsToWatch: elsewhere: It is for the site a.example.
devproxyrc.json:1: plugins[0]: approximate: Dev Proxy sends the limit fields of the last requests; here they are not sent
devproxyrc.json:1: plugins[1]: approximate: Dev Proxy sends the limit fields of the last requests; here they are not sent
devproxyrc.json:1: plugins[1]: left out: the quota is less than one request, or the time is less than a second
devproxyrc.json:2: t: left out: the file rate-limit-response.json cannot be read
`,
		},
		{
			name: "Plugins that are off, or inject nothing.",
			file: "devproxyrc.json",
			source: `
{"plugins": [{"name": "MockResponsePlugin", "configSection": "s"}, {"name": "LatencyPlugin", "configSection": "s", "enabled": false}, {"name": "LatencyPlugin", "configSection": "s"}], "urlsToWatch": ["https://a.example/*"], "s": {"minMs": 1}}
`,
			want: `
# Imported from devproxyrc.json, 3 plugins.
# It is for the site a.example.

fault {
	point devproxyrc-latency
	delay 1ms 5s
}

# Skipped: LatencyPlugin, which is not enabled.
`,
			notes: `
devproxyrc.json:1: urlsToWatch: elsewhere: It is for the site a.example.
devproxyrc.json:1: plugins[0]: skipped: MockResponsePlugin injects no faults that can be imported
devproxyrc.json:1: plugins[1]: skipped: LatencyPlugin is not enabled
`,
		},
		{
			name: "Errors of many URLs.",
			file: "devproxyrc.json",
			source: `
{"plugins": [{"name": "LatencyPlugin", "configSection": "l"}, {"name": "GenericRandomErrorPlugin", "configSection": "s"}],
 "urlsToWatch": ["https://api.example/*"], "l": {"minMs": 1, "maxMs": 2},
 "s": {"rate": 100, "errors": [
  {"request": {"url": "https://api.example/a*", "method": "GET"}, "responses": [{"statusCode": 500, "body": {"code": "a"}}, {"statusCode": 503, "headers": [{"name": "Retry-After", "value": "7"}]}]},
  {"request": {"url": "https://api.example/b", "method": "POST"}, "responses": [{"statusCode": 500, "body": {"code": "b"}}, {"statusCode": 503, "headers": [{"name": "Retry-After", "value": "7"}]}]},
  {"request": {"url": "https://api.example/c/*/d", "method": "PUT"}, "responses": [{"statusCode": 500, "body": {"code": "c/*/d"}}, {"statusCode": 503, "headers": [{"name": "Retry-After", "value": "7"}]}]},
  {"request": {"url": "https://api.example/e/*", "method": "DELETE"}, "responses": [{"statusCode": 500, "body": {"code": "e/"}}, {"statusCode": 503, "headers": [{"name": "Retry-After", "value": "7"}]}]},
  {"request": {"url": "https://api.example/f*", "method": "PATCH"}, "responses": [{"statusCode": 500, "body": {"code": "f"}}, {"statusCode": 503, "headers": [{"name": "Retry-After", "value": "7"}]}]}]}}
`,
			want: "" +
				"# Imported from devproxyrc.json, 2 plugins.\n" +
				"# It is for the site api.example.\n" +
				"\n" +
				"fault {\n" +
				"\tpoint devproxyrc-latency\n" +
				"\tdelay 1ms 2ms\n" +
				"}\n" +
				"fault {\n" +
				"\tpoint devproxyrc-errors\n" +
				"\trule errors1 {\n" +
				"\t\tmatch {\n" +
				"\t\t\tmethod GET\n" +
				"\t\t\tpath /a*\n" +
				"\t\t}\n" +
				"\t\tchoose {\n" +
				"\t\t\t1 respond 500 `{\"code\":\"a\"}`\n" +
				"\t\t\t1 respond 503 {\n" +
				"\t\t\t\tbody \"\"\n" +
				"\t\t\t\tretry_after 7s\n" +
				"\t\t\t}\n" +
				"\t\t}\n" +
				"\t}\n" +
				"\trule errors2 {\n" +
				"\t\tmatch {\n" +
				"\t\t\texpression `{http.request.uri} == \"/b\"`\n" +
				"\t\t\tmethod POST\n" +
				"\t\t}\n" +
				"\t\tchoose {\n" +
				"\t\t\t1 respond 500 `{\"code\":\"b\"}`\n" +
				"\t\t\t1 respond 503 {\n" +
				"\t\t\t\tbody \"\"\n" +
				"\t\t\t\tretry_after 7s\n" +
				"\t\t\t}\n" +
				"\t\t}\n" +
				"\t}\n" +
				"\trule errors3 {\n" +
				"\t\tmatch {\n" +
				"\t\t\texpression `{http.request.uri}.matches(\"^/c/.*/d$\")`\n" +
				"\t\t\tmethod PUT\n" +
				"\t\t}\n" +
				"\t\tchoose {\n" +
				"\t\t\t1 respond 500 `{\"code\":\"c/*/d\"}`\n" +
				"\t\t\t1 respond 503 {\n" +
				"\t\t\t\tbody \"\"\n" +
				"\t\t\t\tretry_after 7s\n" +
				"\t\t\t}\n" +
				"\t\t}\n" +
				"\t}\n" +
				"\trule errors4 {\n" +
				"\t\tmatch {\n" +
				"\t\t\tmethod DELETE\n" +
				"\t\t\tpath /e/*\n" +
				"\t\t}\n" +
				"\t\tchoose {\n" +
				"\t\t\t1 respond 500 `{\"code\":\"e/\"}`\n" +
				"\t\t\t1 respond 503 {\n" +
				"\t\t\t\tbody \"\"\n" +
				"\t\t\t\tretry_after 7s\n" +
				"\t\t\t}\n" +
				"\t\t}\n" +
				"\t}\n" +
				"\trule errors5 {\n" +
				"\t\tmatch {\n" +
				"\t\t\tmethod PATCH\n" +
				"\t\t\tpath /f*\n" +
				"\t\t}\n" +
				"\t\tchoose {\n" +
				"\t\t\t1 respond 500 `{\"code\":\"f\"}`\n" +
				"\t\t\t1 respond 503 {\n" +
				"\t\t\t\tbody \"\"\n" +
				"\t\t\t\tretry_after 7s\n" +
				"\t\t\t}\n" +
				"\t\t}\n" +
				"\t}\n" +
				"}\n",
			notes: `
devproxyrc.json:2: urlsToWatch: elsewhere: It is for the site api.example.
`,
		},
	})
}
