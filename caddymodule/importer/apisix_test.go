package importer

import "testing"

func TestAPISIX(t *testing.T) {
	checkCases(t, []importCase{
		{
			name: "A reply without a body has that of the catalog.",
			file: "route.json",
			source: `
{"name": "orders", "uri": "/orders", "plugins": {"fault-injection": {"abort": {"http_status": 503, "percentage": 5}}}}
`,
			want: `
# Imported from route.json, the route of /orders.

@orders {
	path /orders
}
fault @orders {
	point orders
	percent 5
	respond 503
}
`,
			notes: `
route.json:1: plugins.fault-injection.abort: approximate: without a body, APISIX sends a page of nginx; the body here is that of the catalog
`,
		},
		{
			name: "Operators of vars.",
			file: "route.json",
			source: `
{"uris": ["/a", "/b*"], "host": "*.shop.example", "plugins": {"fault-injection": {"abort": {"http_status": 200, "body": "ok", "vars": [
  [["arg_a", "~=", "1"], ["http_x_b", "~~", "^v"], ["http_x_c", "~*", "on"]],
  [["cookie_c", "in", ["1", "2"]], ["remote_addr", "ipmatch", ["10.0.0.0/8"]]],
  ["OR", ["request_method", "==", "POST"], ["uri", "==", "/c"]],
  [["http_x_d", ">=", 5], ["http_x_e", "!", "==", "v"]],
  [["scheme", "==", "https"], ["request_uri", "==", "/a?b"], ["host", "==", "a.example"]]
]}}}}
`,
			want: "" +
				"# Imported from route.json, the route of '/a, /b*'.\n" +
				"# It is for the site *.shop.example.\n" +
				"\n" +
				"@route {\n" +
				"\thost *.shop.example\n" +
				"\tpath /a /b*\n" +
				"}\n" +
				"fault @route {\n" +
				"\tpoint route\n" +
				"\tmatch {\n" +
				"\t\theader_regexp X-B ^v\n" +
				"\t\theader_regexp X-C (?i)on\n" +
				"\t\tnot query a=1\n" +
				"\t}\n" +
				"\tmatch {\n" +
				"\t\texpression `{http.request.cookie.c} == \"1\"`\n" +
				"\t\tremote_ip 10.0.0.0/8\n" +
				"\t}\n" +
				"\tmatch {\n" +
				"\t\texpression `{http.request.cookie.c} == \"2\"`\n" +
				"\t\tremote_ip 10.0.0.0/8\n" +
				"\t}\n" +
				"\tmatch method POST\n" +
				"\tmatch path /c\n" +
				"\tmatch {\n" +
				"\t\texpression `{http.request.header.X-D}.matches(\"^-?[0-9]{1,18}$\") && int({http.request.header.X-D}) >= 5`\n" +
				"\t\tnot header X-E v\n" +
				"\t}\n" +
				"\tmatch expression `{http.request.scheme} == \"https\" && {http.request.uri} == \"/a?b\" && {http.request.host} == \"a.example\"`\n" +
				"\trespond 200 ok\n" +
				"}\n",
			notes: `
route.json:1: host: elsewhere: It is for the site *.shop.example.
`,
		},
		{
			name: "Operators that no matcher knows.",
			file: "route.json",
			source: `
{"uri": "/*", "plugins": {"fault-injection": {"delay": {"duration": 1.5, "vars": [
  [["arg_a", "has", "1"]], ["!AND", ["arg_a", "==", "1"]], [["consumer_name", "==", "x"]], [["arg_a", "<", 1.5]], [["arg_a", "=="]], ["arg_a", "!", "in", ["1", "2"]],
  [["http_host", "ipmatch", ["10.0.0.0/8"]]], [["remote_addr", "ipmatch", ["ten"]]], [["arg_x", "in", []]], ["x"]
]}}}}
`,
			want: `
# Imported from route.json, the route of /*.

# Left out: routes[0]: no matcher knows the operator has; no matcher knows !AND; no matcher knows the variable consumer_name; no matcher knows the variable arg_a and this number; want a condition such a...
# fault {
# 	point route
# 	delay 1500ms
# }
`,
			notes: `
route.json:2: plugins.fault-injection.delay.vars[0][0][0]: left out: no matcher knows the operator has
route.json:2: plugins.fault-injection.delay.vars[1][0]: left out: no matcher knows !AND
route.json:2: plugins.fault-injection.delay.vars[2][0][0]: left out: no matcher knows the variable consumer_name
route.json:2: plugins.fault-injection.delay.vars[3][0][0]: left out: no matcher knows the variable arg_a and this number
route.json:2: plugins.fault-injection.delay.vars[4][0]: left out: want a condition such as ["arg_x", "==", "1"]
route.json:3: plugins.fault-injection.delay.vars[6][0][0]: left out: no matcher compares http_host with addresses
route.json:3: plugins.fault-injection.delay.vars[7][0][2]: left out: ten is not an address
route.json:3: plugins.fault-injection.delay.vars[8][0][2]: left out: an empty list matches nothing
route.json:3: plugins.fault-injection.delay.vars[9]: left out: want a condition such as ["arg_x", "==", "1"]
`,
		},
		{
			name: "An empty list of vars never matches.",
			file: "route.json",
			source: `
{"uri": "/a", "plugins": {"fault-injection": {"abort": {"http_status": 500, "body": "", "vars": []}, "delay": {"duration": 2, "percentage": 50}}}}
`,
			want: `
# Imported from route.json, the route of /a.

@route {
	path /a
}
fault @route {
	point route
	percent 50
	delay 2s
}
`,
			notes: `
route.json:1: plugins.fault-injection.abort.vars: skipped: an empty list of vars never matches in APISIX
`,
		},
		{
			name: "Variables of nginx in texts.",
			file: "route.json",
			source: `
{"uri": "/a", "plugins": {"fault-injection": {"abort": {"http_status": 418, "body": "$request_method $uri $cookie_a ${arg_b} $upstream_x {env.HOME} {host}\n",
  "headers": {"X-From": "$remote_addr", "Content-Type": "text/html", "Content-Length": 5, "X Y": "z"}}}}}
`,
			want: `
# Imported from route.json, the route of /a.

# Left out: routes[0]: a Caddyfile cannot contain the body; 'X Y' is not the name of a header field.
# fault {
# 	point route
# 	respond 418 {
# 		content_type text/html
# 		body ""
# 		header X-From {http.request.remote.host}
# 	}
# }
`,
			notes: `
route.json:1: plugins.fault-injection.abort.body: approximate: the variable $upstream_x is sent as it is written
route.json:1: plugins.fault-injection.abort: remark: the field Content-Length is not imported: Caddy sets it
route.json:1: plugins.fault-injection.abort: left out: a Caddyfile cannot contain the body
route.json:1: plugins.fault-injection.abort: left out: 'X Y' is not the name of a header field
`,
		},
		{
			name: "Changes of replies.",
			file: "route.json",
			source: `
{"uri": "/a", "plugins": {"response-rewrite": {"status_code": 502, "body": "eyJhIjoxfQ==", "body_base64": true,
  "headers": {"set": {"X-A": "1"}, "add": ["X-B: 2"], "remove": ["Server"]}, "vars": [["arg_x", "==", "1"]], "filters": [{"regex": "a"}]}}}
`,
			want: "" +
				"# Imported from route.json, the route of /a.\n" +
				"\n" +
				"@route {\n" +
				"\tpath /a\n" +
				"}\n" +
				"fault @route {\n" +
				"\tpoint route\n" +
				"\tmatch query x=1\n" +
				"\tpatch {\n" +
				"\t\tstatus 502\n" +
				"\t\tbody `{\"a\":1}`\n" +
				"\t\theader X-A 1\n" +
				"\t\theader +X-B 2\n" +
				"\t\theader -Server\n" +
				"\t}\n" +
				"}\n",
			notes: `
route.json:2: plugins.response-rewrite.filters: left out: filters of the body: write patch with replace
`,
		},
		{
			name: "A body alone, and the old form of headers.",
			file: "apisix.yaml",
			source: `
routes:
- uri: /a
  plugins:
    response-rewrite: {body: "hello {path}", headers: {X-A: 1, Content-Type: text/plain}}
- uri: /b
  status: 0
  plugins:
    fault-injection: {abort: {http_status: 500, body: x}}
- id: 3
  uris: [/c/*, /c/d]
  priority: 5
  plugins:
    fault-injection: {abort: {http_status: 501, body: x, percentage: 10}}
- uri: /c/d/*
  plugins:
    key-auth: {}
services:
- id: 1
  plugins:
    fault-injection: {abort: {http_status: 500}}
`,
			want: `
# Imported from apisix.yaml, 4 routes.

# Each kind of fault is a separate draw, so it is a separate point.
# Left out: routes[0]: patch cannot send this body.
# fault {
# 	point apisix-rewrite
# 	rule routes0 {
# 		match path /a
# 		patch {
# 			body_base64 aGVsbG8ge3BhdGh9
# 			content_type text/plain
# 			header X-A 1
# 		}
# 	}
# }
fault {
	point apisix-abort
	rule routes2 {
		match path /c/d
		choose {
			10 respond 501 x
			90 pass
		}
	}
	rule routes1 {
		match expression false
		choose {
			1 pass
		}
	}
	rule routes3 {
		match path /c/d/*
		choose {
			1 pass
		}
	}
	rule routes2-2 {
		match path /c/*
		percent 10
		respond 501 x
	}
}
`,
			notes: `
apisix.yaml:4: routes[0].plugins.response-rewrite: left out: patch cannot send this body
apisix.yaml:6: routes[1].status: skipped: the route is disabled
apisix.yaml:17: services: left out: only the plugins of routes are imported: copy those of services into a route
`,
		},
		{
			name: "Answers of the Admin API.",
			file: "route.json",
			source: `
{"list": [{"value": {"uri": "/a", "filter_func": "function(vars) return true end", "plugins": {"fault-injection": {"abort": {"http_status": 500, "body": "x"}}}}},
 {"value": {"uri": "/b", "remote_addr": "10.0.0.1", "plugins": {"fault-injection": {"_meta": {"disable": true}, "abort": {"http_status": 500}}}}}]}
`,
			want: `
# Imported from route.json, 2 routes.

# Left out: routes[0]: no matcher knows a function in Lua.
# fault {
# 	point route-routes0
# 	match path /a
# 	respond 500 x
# }
`,
			notes: `
route.json:1: list[0].value.filter_func: left out: no matcher knows a function in Lua
`,
		},
		{
			name: "Several routes, the more specific first.",
			file: "route.json",
			source: `
[
{"name": "all", "uri": "/*", "methods": ["GET"], "plugins": {"fault-injection": {"abort": {"http_status": 500, "body": "all", "percentage": 10}}}},
{"name": "shop", "uri": "/shop/*", "methods": ["GET"], "plugins": {"fault-injection": {"abort": {"http_status": 501, "body": "shop", "percentage": 20}}}},
{"name": "cart", "uri": "/shop/cart", "methods": ["GET"], "plugins": {"fault-injection": {"abort": {"http_status": 502, "body": "cart", "percentage": 30}}}},
{"name": "post", "uri": "/shop/*", "methods": ["POST"], "plugins": {"fault-injection": {"abort": {"http_status": 503, "body": "post", "percentage": 40}}}},
{"name": "users", "uri": "/users*", "methods": ["GET"], "plugins": {"fault-injection": {"abort": {"http_status": 504, "body": "users", "percentage": 50}}}}]
`,
			want: `
# Imported from route.json, 5 routes.

# The first route that matches decides, so each is a rule that takes all of the draw.
fault {
	point route-abort
	rule cart {
		match {
			method GET
			path /shop/cart
		}
		choose {
			30 respond 502 cart
			70 pass
		}
	}
	rule shop {
		match {
			method GET
			path /shop/*
		}
		choose {
			20 respond 501 shop
			80 pass
		}
	}
	rule post {
		match {
			method POST
			path /shop/*
		}
		percent 40
		respond 503 post
	}
	rule users {
		match {
			method GET
			path /users*
		}
		choose {
			50 respond 504 users
			50 pass
		}
	}
	rule all {
		match method GET
		percent 10
		respond 500 all
	}
}
`,
			notes: "",
		},
		{
			name: "A health page and a hidden path.",
			file: "route.json",
			source: `
[{"uri": "/health", "plugins": {"fault-injection": {"abort": {"http_status": 200, "body": "{\"status\": \"ok\"}", "headers": {"Cache-Control": "no-cache"}}}}},
 {"uri": "/admin/*", "plugins": {"fault-injection": {"abort": {"http_status": 404, "body": "not found"}}}},
 {"uri": "/slow", "plugins": {"fault-injection": {"delay": {"duration": 0.25}, "abort": {"http_status": 503, "body": "later"}}}}]
`,
			want: "" +
				"# Imported from route.json, 3 routes.\n" +
				"\n" +
				"# Each kind of fault is a separate draw, so it is a separate point.\n" +
				"fault {\n" +
				"\tpoint route-delay\n" +
				"\trule routes2 {\n" +
				"\t\tmatch path /slow\n" +
				"\t\tdelay 250ms\n" +
				"\t}\n" +
				"}\n" +
				"fault {\n" +
				"\tpoint route-abort\n" +
				"\trule routes0 {\n" +
				"\t\tmatch path /health\n" +
				"\t\trespond 200 {\n" +
				"\t\t\tbody `{\"status\": \"ok\"}`\n" +
				"\t\t\theader Cache-Control no-cache\n" +
				"\t\t}\n" +
				"\t}\n" +
				"\trule routes2 {\n" +
				"\t\tmatch path /slow\n" +
				"\t\trespond 503 later\n" +
				"\t}\n" +
				"\trule routes1 {\n" +
				"\t\tmatch path /admin/*\n" +
				"\t\trespond 404 \"not found\"\n" +
				"\t}\n" +
				"}\n",
			notes: "",
		},
	})
}
