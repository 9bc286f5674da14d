package importer

import "testing"

func TestWireMock(t *testing.T) {
	checkCases(t, []importCase{
		{
			name: "Broken replies.",
			file: "stubs.json",
			source: `
{"mappings": [
{"request": {"urlPath": "/0"}, "response": {"fault": "EMPTY_RESPONSE"}},
{"request": {"urlPath": "/1"}, "response": {"fault": "CONNECTION_RESET_BY_PEER"}},
{"request": {"urlPath": "/2"}, "response": {"fault": "RANDOM_DATA_THEN_CLOSE"}},
{"request": {"urlPath": "/3"}, "response": {"fault": "MALFORMED_RESPONSE_CHUNK"}},
{"request": {"urlPath": "/4"}, "response": {"fault": "EXPLODE"}}
]}
`,
			want: `
# Imported from stubs.json, 5 stubs: 4 rules, 1 left out.
# The last one that matches decides in WireMock, so the rules are in reverse order.

fault {
	point stubs

	# Left out: stub 5: unknown fault EXPLODE.
	# rule stub5 {
	# 	match path /4
	# 	close
	# }

	rule stub4 {
		match path /3
		malformed 200
	}
	rule stub3 {
		match path /2
		garbage
	}
	rule stub2 {
		match path /1
		reset
	}
	rule stub1 {
		match path /0
		close
	}
}
`,
			notes: `
stubs.json:6: mappings[4].response.fault: left out: unknown fault EXPLODE
`,
		},
		{
			name: "Delays.",
			file: "stubs.json",
			source: `
{"mappings": [
{"request": {"urlPath": "/1"}, "response": {"fixedDelayMilliseconds": 1500}},
{"request": {"urlPath": "/2"}, "response": {"delayDistribution": {"type": "uniform", "lower": 10, "upper": 20}}},
{"request": {"urlPath": "/3"}, "response": {"status": 500, "delayDistribution": {"type": "lognormal", "median": 80, "sigma": 0.1, "maxValue": 900}}},
{"request": {"urlPath": "/4"}, "response": {"delayDistribution": {"type": "fixed", "milliseconds": 5}}},
{"request": {"urlPath": "/5"}, "response": {"delayDistribution": {"type": "gamma"}}},
{"request": {"urlPath": "/6"}, "response": {"status": 500, "delayDistribution": {"type": "uniform", "lower": 9, "upper": 9}, "fixedDelayMilliseconds": 60000}},
{"request": {"urlPath": "/7"}, "response": {"delayDistribution": {"type": "lognormal", "median": 80, "sigma": 0.1, "maxValue": 9}}}
]}
`,
			want: `
# Imported from stubs.json, 7 stubs: 5 rules, 1 left out, 1 that only mocks.
# The last one that matches decides in WireMock, so the rules are in reverse order.

fault {
	point stubs

	# Left out: stub 7: the longest delay is below the median.
	# rule stub7 {
	# 	match path /7
	# 	delay lognormal 80ms 0.1 {
	# 		at_most 9ms
	# 	}
	# }

	rule stub6 {
		match path /6
		delay 1m
		delay 9ms
		respond 500 ""
	}
	rule stub4 {
		match path /4
		delay 5ms
	}
	rule stub3 {
		match path /3
		delay lognormal 80ms 0.1 {
			at_most 900ms
		}
		respond 500 ""
	}
	rule stub2 {
		match path /2
		delay 10ms 20ms
	}
	rule stub1 {
		match path /1
		delay 1500ms
	}
}
`,
			notes: `
stubs.json:2: mappings[0].response: skipped: the reply of status 200 is not imported: its delay applies to the reply of the upstream
stubs.json:3: mappings[1].response: skipped: the reply of status 200 is not imported: its delay applies to the reply of the upstream
stubs.json:5: mappings[3].response: skipped: the reply of status 200 is not imported: its delay applies to the reply of the upstream
stubs.json:6: mappings[4]: skipped: a stub without a fault: stub 5
stubs.json:8: mappings[6].response: skipped: the reply of status 200 is not imported: its delay applies to the reply of the upstream
stubs.json:8: mappings[6].response.delayDistribution.maxValue: left out: the longest delay is below the median
`,
		},
		{
			name: "Replies.",
			file: "stubs.json",
			source: "" +
				"{\"mappings\": [\n" +
				"{\"request\": {\"urlPath\": \"/1\"}, \"response\": {\"status\": 503, \"statusMessage\": \"Try Later\", \"headers\": {\"Content-Type\": \"text/html; charset=utf-8\", \"Set-Cookie\": [\"a=1\", \"b=2\"], \"Transfer-Encoding\": \"chunked\", \"Retry-After\": \"30\"}, \"body\": \"<b>later</b>\"}},\n" +
				"{\"request\": {\"urlPath\": \"/2\"}, \"response\": {\"status\": 500, \"base64Body\": \"/wA=\"}},\n" +
				"{\"request\": {\"urlPath\": \"/3\"}, \"response\": {\"status\": 500, \"base64Body\": \"aGVsbG8=\"}},\n" +
				"{\"request\": {\"urlPath\": \"/4\"}, \"response\": {\"status\": 500, \"body\": \"literal {path} and {$HOME} and {http.request.uri}\"}},\n" +
				"{\"request\": {\"urlPath\": \"/5\"}, \"response\": {\"status\": 500, \"body\": \"literal {name} and `ticks` and \\\"quotes\\\"\"}},\n" +
				"{\"request\": {\"urlPath\": \"/6\"}, \"response\": {\"status\": 500, \"bodyFileName\": \"missing.json\"}},\n" +
				"{\"request\": {\"urlPath\": \"/7\"}, \"response\": {\"status\": 99}},\n" +
				"{\"request\": {\"urlPath\": \"/8\"}, \"response\": {\"status\": 500, \"proxyBaseUrl\": \"http://x\"}}\n" +
				"]}\n",
			want: "" +
				"# Imported from stubs.json, 8 stubs: 5 rules, 1 left out, 2 that only mocks.\n" +
				"# The last one that matches decides in WireMock, so the rules are in reverse order.\n" +
				"\n" +
				"fault {\n" +
				"\tpoint stubs\n" +
				"\n" +
				"\t# Left out: stub 6: the file missing.json of the body cannot be read.\n" +
				"\t# rule stub6 {\n" +
				"\t# \tmatch path /6\n" +
				"\t# \trespond 500 \"\"\n" +
				"\t# }\n" +
				"\n" +
				"\trule stub5 {\n" +
				"\t\tmatch path /5\n" +
				"\t\trespond 500 \"literal \\{name} and `ticks` and \\\"quotes\\\"\"\n" +
				"\t}\n" +
				"\trule stub4 {\n" +
				"\t\tmatch path /4\n" +
				"\t\trespond 500 {\n" +
				"\t\t\tcontent_type \"text/plain; charset=utf-8\"\n" +
				"\t\t\tbody_base64 bGl0ZXJhbCB7cGF0aH0gYW5kIHskSE9NRX0gYW5kIHtodHRwLnJlcXVlc3QudXJpfQ==\n" +
				"\t\t}\n" +
				"\t}\n" +
				"\trule stub3 {\n" +
				"\t\tmatch path /3\n" +
				"\t\trespond 500 hello\n" +
				"\t}\n" +
				"\trule stub2 {\n" +
				"\t\tmatch path /2\n" +
				"\t\trespond 500 {\n" +
				"\t\t\tbody_base64 /wA=\n" +
				"\t\t}\n" +
				"\t}\n" +
				"\trule stub1 {\n" +
				"\t\tmatch path /1\n" +
				"\t\trespond 503 {\n" +
				"\t\t\treason \"Try Later\"\n" +
				"\t\t\tcontent_type \"text/html; charset=utf-8\"\n" +
				"\t\t\tbody <b>later</b>\n" +
				"\t\t\theader Set-Cookie a=1\n" +
				"\t\t\theader +Set-Cookie b=2\n" +
				"\t\t\tretry_after 30s\n" +
				"\t\t}\n" +
				"\t}\n" +
				"}\n",
			notes: `
stubs.json:2: mappings[0].response: remark: the field Transfer-Encoding is not imported: Caddy sets it
stubs.json:7: mappings[5].response.bodyFileName: left out: the file missing.json of the body cannot be read
stubs.json:8: mappings[6]: skipped: a stub without a fault: stub 7
stubs.json:9: mappings[7]: skipped: a stub without a fault: stub 8
`,
		},
		{
			name: "Templates.",
			file: "stubs.json",
			source: `
{"mappings": [
{"request": {"urlPath": "/1"}, "response": {"status": 500, "transformers": ["response-template"], "body": "{{request.url}} {{request.query.a}} {{request.headers.X-B}} {{{request.cookies.c}}} {{request.pathSegments.[1]}} {{now}} {{request.method}}", "headers": {"X-A": "{{request.path}}"}}},
{"request": {"urlPath": "/2"}, "response": {"status": 500, "body": "{{request.url}} stays"}}
]}
`,
			want: "" +
				"# Imported from stubs.json, 2 stubs: 2 rules.\n" +
				"# The last one that matches decides in WireMock, so the rules are in reverse order.\n" +
				"\n" +
				"fault {\n" +
				"\tpoint stubs\n" +
				"\trule stub2 {\n" +
				"\t\tmatch path /2\n" +
				"\t\trespond 500 `{\\{request.url}} stays`\n" +
				"\t}\n" +
				"\trule stub1 {\n" +
				"\t\tmatch path /1\n" +
				"\t\trespond 500 {\n" +
				"\t\t\tbody `{http.request.uri} {http.request.uri.query.a} {http.request.header.X-B} {http.request.cookie.c} {http.request.uri.path.1} {\\{now}} {http.request.method}`\n" +
				"\t\t\theader X-A `{\\{request.path}}`\n" +
				"\t\t}\n" +
				"\t}\n" +
				"}\n",
			notes: `
stubs.json:2: mappings[0].response: approximate: the template has {{now}}, which is sent as it is written
stubs.json:2: mappings[0].response.headers.X-A: approximate: the template in the field X-A is sent as it is written
`,
		},
		{
			name: "Conditions, 1.",
			file: "stubs.json",
			source: `
{"mappings": [
{"request": {"method": "GET", "url": "/a?b=1", "headers": {"A": {"equalTo": "v", "caseInsensitive": true}, "B": {"contains": "v*"}, "C": {"absent": true}, "D": {"matches": "v|w"}, "E": {"doesNotContain": "v"}}}, "response": {"status": 500}}
]}
`,
			want: "" +
				"# Imported from stubs.json, 1 stub: 1 rule.\n" +
				"# The last one that matches decides in WireMock, so the rules are in reverse order.\n" +
				"\n" +
				"fault {\n" +
				"\tpoint stubs\n" +
				"\trule stub1 {\n" +
				"\t\tmatch {\n" +
				"\t\t\texpression `{http.request.uri} == \"/a?b=1\" && {http.request.header.A}.lowerAscii() == \"v\"`\n" +
				"\t\t\theader !C\n" +
				"\t\t\theader E *\n" +
				"\t\t\theader_regexp B `v\\*`\n" +
				"\t\t\theader_regexp D ^(?:v|w)$\n" +
				"\t\t\tmethod GET\n" +
				"\t\t\tnot header E *v*\n" +
				"\t\t}\n" +
				"\t\trespond 500 \"\"\n" +
				"\t}\n" +
				"}\n",
			notes: "",
		},
		{
			name: "Conditions, 2.",
			file: "stubs.json",
			source: `
{"mappings": [
{"request": {"urlPattern": "/a.*b=[0-9]+", "queryParameters": {"q": {"equalTo": "*"}, "r": {"matches": "[0-9]+"}, "s": {"absent": true}}, "cookies": {"c": {"equalTo": "1"}, "d": {"absent": true}}}, "response": {"status": 501}}
]}
`,
			want: "" +
				"# Imported from stubs.json, 1 stub: 1 rule.\n" +
				"# The last one that matches decides in WireMock, so the rules are in reverse order.\n" +
				"\n" +
				"fault {\n" +
				"\tpoint stubs\n" +
				"\trule stub1 {\n" +
				"\t\tmatch {\n" +
				"\t\t\texpression `{http.request.uri}.matches(\"^/a.*b=[0-9]+$\") && {http.request.uri.query.q} == \"*\" && {http.request.uri.query.r}.matches(\"^[0-9]+$\") && {http.request.cookie.c} == \"1\" && {http.request.cookie.d} == \"\"`\n" +
				"\t\t\tnot query s=*\n" +
				"\t\t\tquery q=*\n" +
				"\t\t\tquery r=*\n" +
				"\t\t}\n" +
				"\t\trespond 501 \"\"\n" +
				"\t}\n" +
				"}\n",
			notes: "",
		},
		{
			name: "Conditions, 3.",
			file: "stubs.json",
			source: `
{"mappings": [
{"request": {"urlPathTemplate": "/users/{id}/orders", "basicAuthCredentials": {"username": "u", "password": "p"}, "host": {"equalTo": "a.example"}, "port": 8080, "scheme": "HTTPS"}, "response": {"status": 502}}
]}
`,
			want: "" +
				"# Imported from stubs.json, 1 stub: 1 rule.\n" +
				"# The last one that matches decides in WireMock, so the rules are in reverse order.\n" +
				"\n" +
				"fault {\n" +
				"\tpoint stubs\n" +
				"\trule stub1 {\n" +
				"\t\tmatch {\n" +
				"\t\t\texpression `{http.request.host} == \"a.example\" && {http.request.port} == 8080 && {http.request.scheme} == \"https\"`\n" +
				"\t\t\theader Authorization \"Basic dTpw\"\n" +
				"\t\t\tpath_regexp ^/users/[^/]+/orders$\n" +
				"\t\t}\n" +
				"\t\trespond 502 \"\"\n" +
				"\t}\n" +
				"}\n",
			notes: "",
		},
		{
			name: "Conditions, 4.",
			file: "stubs.json",
			source: `
{"mappings": [
{"request": {"urlPathPattern": "/a[b-d&&c]", "method": "GET"}, "response": {"status": 503}}
]}
`,
			want: `
# Imported from stubs.json, 1 stub: 0 rules, 1 left out.
# The last one that matches decides in WireMock, so the rules are in reverse order.

# Left out: stub 1: the pattern /a[b-d&&c] has a class within a class.
# fault {
# 	point stubs
# 	rule stub1 {
# 		match method GET
# 		respond 503 ""
# 	}
# }
`,
			notes: `
stubs.json:2: mappings[0].request.urlPathPattern: left out: the pattern /a[b-d&&c] has a class within a class
`,
		},
		{
			name: "Conditions, 5.",
			file: "stubs.json",
			source: `
{"mappings": [
{"request": {"urlPath": "/x", "headers": {"A": {"and": [{"contains": "a"}, {"contains": "b"}]}, "B": {"or": []}, "C": {}}}, "response": {"status": 504}}
]}
`,
			//nolint:dupword // two negations
			want: `
# Imported from stubs.json, 1 stub: 0 rules, 1 left out.
# The last one that matches decides in WireMock, so the rules are in reverse order.

# Left out: stub 1: no matcher knows or; want a comparison such as equalTo.
# fault {
# 	point stubs
# 	rule stub1 {
# 		match {
# 			header A *a*
# 			not not header A *b*
# 			path /x
# 		}
# 		respond 504 ""
# 	}
# }
`,
			notes: `
stubs.json:2: mappings[0].request.headers.B.or: left out: the field or is not known
stubs.json:2: mappings[0].request.headers.B.or: left out: no matcher knows or
stubs.json:2: mappings[0].request.headers.C: left out: want a comparison such as equalTo
`,
		},
		{
			name: "Conditions on the body.",
			file: "stubs.json",
			source: `
{"mappings": [
{"request": {"urlPath": "/1", "bodyPatterns": [{"contains": "boom"}, {"matches": ".*x.*"}]}, "response": {"status": 500}},
{"request": {"urlPath": "/2", "bodyPatterns": [{"matchesJsonPath": {"expression": "$.a[0].b", "equalTo": "v"}}, {"matchesJsonPath": "$['c d'].e"}]}, "response": {"status": 500}},
{"request": {"urlPath": "/3", "bodyPatterns": [{"matchesJsonPath": "$..a"}]}, "response": {"status": 500}},
{"request": {"urlPath": "/4", "bodyPatterns": [{"equalToXml": "<a/>"}]}, "response": {"status": 500}},
{"request": {"urlPath": "/5", "bodyPatterns": [{"absent": true}], "customMatcher": {"name": "x"}}, "response": {"status": 500}},
{"request": {"urlPath": "/6", "bodyPatterns": [{"matchesJsonPath": {"expression": "$.a", "equalToJson": "1"}}]}, "response": {"status": 500}}
]}
`,
			want: "" +
				"# Imported from stubs.json, 6 stubs: 2 rules, 4 left out.\n" +
				"# The last one that matches decides in WireMock, so the rules are in reverse order.\n" +
				"# A rule that matches on the body keeps the whole body in memory. Use request_body to limit its size.\n" +
				"\n" +
				"fault {\n" +
				"\tpoint stubs\n" +
				"\n" +
				"\t# Left out: stub 6: no matcher knows equalToJson of a value in JSON.\n" +
				"\t# rule stub6 {\n" +
				"\t# \tmatch path /6\n" +
				"\t# \trespond 500 \"\"\n" +
				"\t# }\n" +
				"\n" +
				"\t# Left out: stub 5: no matcher knows absent for a body; no matcher knows customMatcher.\n" +
				"\t# rule stub5 {\n" +
				"\t# \tmatch path /5\n" +
				"\t# \trespond 500 \"\"\n" +
				"\t# }\n" +
				"\n" +
				"\t# Left out: stub 4: no matcher knows equalToXml.\n" +
				"\t# rule stub4 {\n" +
				"\t# \tmatch path /4\n" +
				"\t# \trespond 500 \"\"\n" +
				"\t# }\n" +
				"\n" +
				"\t# Left out: stub 3: no matcher knows the JSONPath $..a.\n" +
				"\t# rule stub3 {\n" +
				"\t# \tmatch path /3\n" +
				"\t# \trespond 500 \"\"\n" +
				"\t# }\n" +
				"\n" +
				"\trule stub2 {\n" +
				"\t\tmatch {\n" +
				"\t\t\tjson_body /a/0/b v\n" +
				"\t\t\tjson_body \"/c d/e\"\n" +
				"\t\t\tnot json_body \"/c d/e\" null [] \"{}\"\n" +
				"\t\t\tpath /2\n" +
				"\t\t}\n" +
				"\t\trespond 500 \"\"\n" +
				"\t}\n" +
				"\trule stub1 {\n" +
				"\t\tmatch {\n" +
				"\t\t\texpression `{http.request.body}.contains(\"boom\") && {http.request.body}.matches(\"^.*x.*$\")`\n" +
				"\t\t\tpath /1\n" +
				"\t\t}\n" +
				"\t\trespond 500 \"\"\n" +
				"\t}\n" +
				"}\n",
			notes: `
stubs.json:3: mappings[1].request.bodyPatterns[0].matchesJsonPath: approximate: json_body wants the Content-Type of JSON, and a body of at most 64 KiB
stubs.json:3: mappings[1].request.bodyPatterns[1].matchesJsonPath: approximate: json_body wants the Content-Type of JSON, and a body of at most 64 KiB
stubs.json:4: mappings[2].request.bodyPatterns[0].matchesJsonPath: left out: no matcher knows the JSONPath $..a
stubs.json:5: mappings[3].request.bodyPatterns[0].equalToXml: left out: the field equalToXml is not known
stubs.json:5: mappings[3].request.bodyPatterns[0].equalToXml: left out: no matcher knows equalToXml
stubs.json:6: mappings[4].request.customMatcher: left out: the field customMatcher is not known
stubs.json:6: mappings[4].request.bodyPatterns[0]: left out: no matcher knows absent for a body
stubs.json:6: mappings[4].request.customMatcher: left out: no matcher knows customMatcher
stubs.json:7: mappings[5].request.bodyPatterns[0].matchesJsonPath: approximate: json_body wants the Content-Type of JSON, and a body of at most 64 KiB
stubs.json:7: mappings[5].request.bodyPatterns[0].matchesJsonPath.equalToJson: left out: no matcher knows equalToJson of a value in JSON
`,
		},
		{
			name: "A scenario that ends in a fault.",
			file: "stubs.json",
			source: `
{"mappings": [
{"request": {"url": "/pay"}, "response": {"status": 500}, "scenarioName": "s", "requiredScenarioState": "Started", "newScenarioState": "b"},
{"request": {"url": "/pay"}, "response": {"status": 200}, "scenarioName": "s", "requiredScenarioState": "b", "newScenarioState": "c"},
{"request": {"url": "/pay"}, "response": {"status": 503}, "scenarioName": "s", "requiredScenarioState": "c"}
]}
`,
			want: "" +
				"# Imported from stubs.json, 3 stubs: 2 rules.\n" +
				"# The last one that matches decides in WireMock, so the rules are in reverse order.\n" +
				"\n" +
				"fault {\n" +
				"\tpoint stubs\n" +
				"\trule s {\n" +
				"\t\tmatch expression `{http.request.uri} == \"/pay\"`\n" +
				"\t\ttimes 2\n" +
				"\t\tsequence {\n" +
				"\t\t\trespond 500 \"\"\n" +
				"\t\t\tpass\n" +
				"\t\t}\n" +
				"\t}\n" +
				"\trule s-after {\n" +
				"\t\tmatch expression `{http.request.uri} == \"/pay\"`\n" +
				"\t\trespond 503 \"\"\n" +
				"\t}\n" +
				"}\n",
			notes: "",
		},
		{
			name: "A scenario that goes round.",
			file: "stubs.json",
			source: `
{"mappings": [
{"request": {"url": "/pay"}, "response": {"status": 500}, "scenarioName": "s", "requiredScenarioState": "Started", "newScenarioState": "b"},
{"request": {"url": "/pay"}, "response": {"status": 200}, "scenarioName": "s", "requiredScenarioState": "b", "newScenarioState": "Started"}
]}
`,
			want: "" +
				"# Imported from stubs.json, 2 stubs: 1 rule.\n" +
				"# The last one that matches decides in WireMock, so the rules are in reverse order.\n" +
				"\n" +
				"fault {\n" +
				"\tpoint stubs\n" +
				"\trule s {\n" +
				"\t\tmatch expression `{http.request.uri} == \"/pay\"`\n" +
				"\t\tsequence loop {\n" +
				"\t\t\trespond 500 \"\"\n" +
				"\t\t\tpass\n" +
				"\t\t}\n" +
				"\t}\n" +
				"}\n",
			notes: "",
		},
		{
			name: "A scenario with a state that nobody requires.",
			file: "stubs.json",
			source: `
{"mappings": [
{"request": {"url": "/pay"}, "response": {"status": 500}, "scenarioName": "s", "requiredScenarioState": "Started", "newScenarioState": "gone"}
]}
`,
			want: "" +
				"# Imported from stubs.json, 1 stub: 1 rule.\n" +
				"# The last one that matches decides in WireMock, so the rules are in reverse order.\n" +
				"\n" +
				"fault {\n" +
				"\tpoint stubs\n" +
				"\trule s {\n" +
				"\t\tmatch expression `{http.request.uri} == \"/pay\"`\n" +
				"\t\tsequence {\n" +
				"\t\t\trespond 500 \"\"\n" +
				"\t\t}\n" +
				"\t}\n" +
				"}\n",
			notes: "",
		},
		{
			name: "Scenarios that are not chains.",
			file: "stubs.json",
			source: `
{"mappings": [
{"request": {"url": "/pay"}, "response": {"status": 500}, "scenarioName": "s", "requiredScenarioState": "Started", "newScenarioState": "b"},
{"request": {"url": "/pay"}, "response": {"status": 501}, "scenarioName": "s", "requiredScenarioState": "x", "newScenarioState": "y"}
]}
`,
			want: "" +
				"# Imported from stubs.json, 2 stubs: 0 rules, 2 left out.\n" +
				"# The last one that matches decides in WireMock, so the rules are in reverse order.\n" +
				"\n" +
				"# Left out: stub 2: the states of scenario s are not a chain for one request.\n" +
				"# fault {\n" +
				"# \tpoint stubs\n" +
				"# \trule stub2 {\n" +
				"# \t\tmatch expression `{http.request.uri} == \"/pay\"`\n" +
				"# \t\trespond 501 \"\"\n" +
				"# \t}\n" +
				"# }\n" +
				"# Left out: stub 1: the states of scenario s are not a chain for one request.\n" +
				"# fault {\n" +
				"# \tpoint stubs\n" +
				"# \trule stub1 {\n" +
				"# \t\tmatch expression `{http.request.uri} == \"/pay\"`\n" +
				"# \t\trespond 500 \"\"\n" +
				"# \t}\n" +
				"# }\n",
			notes: `
stubs.json:2: mappings[0].scenarioName: left out: the states of scenario s are not a chain for one request
stubs.json:3: mappings[1].scenarioName: left out: the states of scenario s are not a chain for one request
`,
		},
		{
			name: "A scenario for two requests.",
			file: "stubs.json",
			source: `
{"mappings": [
{"request": {"url": "/pay"}, "response": {"status": 500}, "scenarioName": "s", "requiredScenarioState": "Started", "newScenarioState": "b"},
{"request": {"url": "/other"}, "response": {"status": 501}, "scenarioName": "s", "requiredScenarioState": "b"},
{"request": {"url": "/pay"}, "response": {"status": 404}}
]}
`,
			want: "" +
				"# Imported from stubs.json, 3 stubs: 1 rule, 2 left out.\n" +
				"# The last one that matches decides in WireMock, so the rules are in reverse order.\n" +
				"\n" +
				"fault {\n" +
				"\tpoint stubs\n" +
				"\trule stub3 {\n" +
				"\t\tmatch expression `{http.request.uri} == \"/pay\"`\n" +
				"\t\trespond 404 \"\"\n" +
				"\t}\n" +
				"\n" +
				"\t# Left out: stub 2: the states of scenario s are not a chain for one request.\n" +
				"\t# rule stub2 {\n" +
				"\t# \tmatch expression `{http.request.uri} == \"/other\"`\n" +
				"\t# \trespond 501 \"\"\n" +
				"\t# }\n" +
				"\n" +
				"\t# Left out: stub 1: the states of scenario s are not a chain for one request.\n" +
				"\t# rule stub1 {\n" +
				"\t# \tmatch expression `{http.request.uri} == \"/pay\"`\n" +
				"\t# \trespond 500 \"\"\n" +
				"\t# }\n" +
				"}\n",
			notes: `
stubs.json:2: mappings[0].scenarioName: left out: the states of scenario s are not a chain for one request
stubs.json:3: mappings[1].scenarioName: left out: the states of scenario s are not a chain for one request
`,
		},
		{
			name: "Mocks that decide first.",
			file: "stubs.json",
			source: `
{"mappings": [
{"request": {"urlPath": "/a"}, "response": {"status": 500}},
{"request": {"urlPathPattern": "/.*", "headers": {"X": {"contains": "v"}}}, "response": {"status": 200}},
{"request": {"method": "POST", "urlPath": "/a"}, "response": {"status": 200, "body": "ok"}, "priority": 9},
{"request": {"urlPath": "/b"}, "response": {"status": 200}}
]}
`,
			want: `
# Imported from stubs.json, 4 stubs: 2 rules, 3 that only mocks.
# The last one that matches decides in WireMock, so the rules are in reverse order.

fault {
	point stubs
	rule stub2 {
		match {
			header X *v*
			path_regexp ^/.*$
		}
		choose {
			1 pass
		}
	}
	rule stub1 {
		match path /a
		respond 500 ""
	}
}
`,
			notes: `
stubs.json:3: mappings[1]: skipped: a stub without a fault: stub 2
stubs.json:4: mappings[2]: skipped: a stub without a fault: stub 3
stubs.json:5: mappings[3]: skipped: a stub without a fault: stub 4
`,
		},
		{
			name: "A mock that cannot be said.",
			file: "stubs.json",
			source: `
{"mappings": [
{"request": {"urlPath": "/a"}, "response": {"status": 500}},
{"request": {"urlPath": "/a", "bodyPatterns": [{"equalToJson": "{}"}]}, "response": {"status": 200}}
]}
`,
			want: `
# Imported from stubs.json, 2 stubs: 0 rules, 1 left out, 1 that only mocks.
# The last one that matches decides in WireMock, so the rules are in reverse order.

# Left out: stub 1: stub 2 decides first and cannot be said.
# fault {
# 	point stubs
# 	rule stub1 {
# 		match path /a
# 		respond 500 ""
# 	}
# }
`,
			notes: `
stubs.json:2: mappings[0]: left out: stub 2 decides first and cannot be said
stubs.json:3: mappings[1].request.bodyPatterns[0].equalToJson: left out: the field equalToJson is not known
stubs.json:3: mappings[1]: skipped: a stub without a fault: stub 2
`,
		},
		{
			name: "One stub, and a list of stubs.",
			file: "stubs.yaml",
			source: `
request: {urlPath: /a}
response: {status: 500}
---
- name: second
  request: {urlPath: /b}
  response: {status: 501, jsonBody: {a: [1, 2.5, true, null, "x"]}}
- name: second
  request: {urlPath: /c}
  response: {status: 502}
`,
			want: "" +
				"# Imported from stubs.yaml, 3 stubs: 3 rules.\n" +
				"# The last one that matches decides in WireMock, so the rules are in reverse order.\n" +
				"\n" +
				"fault {\n" +
				"\tpoint stubs\n" +
				"\trule second {\n" +
				"\t\tmatch path /c\n" +
				"\t\trespond 502 \"\"\n" +
				"\t}\n" +
				"\trule second-2 {\n" +
				"\t\tmatch path /b\n" +
				"\t\trespond 501 `{\"a\":[1,2.5,true,null,\"x\"]}`\n" +
				"\t}\n" +
				"\trule stub1 {\n" +
				"\t\tmatch path /a\n" +
				"\t\trespond 500 \"\"\n" +
				"\t}\n" +
				"}\n",
			notes: "",
		},
		{
			name: "A service that fails in many ways.",
			file: "stubs.json",
			source: `
{"mappings": [
{"request": {"method": "GET", "urlPath": "/orders/0", "headers": {"X-Test": {"equalTo": "read"}}}, "response": {"status": 500, "headers": {"X-Step": "0"}, "jsonBody": {"step": 0, "name": "read"}}, "name": "read"},
{"request": {"method": "POST", "urlPath": "/orders/1", "headers": {"X-Test": {"equalTo": "create"}}}, "response": {"status": 502, "headers": {"X-Step": "1"}, "jsonBody": {"step": 1, "name": "create"}}, "name": "create"},
{"request": {"method": "PUT", "urlPath": "/orders/2", "headers": {"X-Test": {"equalTo": "replace"}}}, "response": {"status": 503, "headers": {"X-Step": "2"}, "jsonBody": {"step": 2, "name": "replace"}}, "name": "replace"},
{"request": {"method": "DELETE", "urlPath": "/orders/3", "headers": {"X-Test": {"equalTo": "delete"}}}, "response": {"status": 504, "headers": {"X-Step": "3"}, "jsonBody": {"step": 3, "name": "delete"}}, "name": "delete"},
{"request": {"method": "PATCH", "urlPath": "/orders/4", "headers": {"X-Test": {"equalTo": "change"}}}, "response": {"status": 429, "headers": {"X-Step": "4"}, "jsonBody": {"step": 4, "name": "change"}}, "name": "change"},
{"request": {"method": "HEAD", "urlPath": "/orders/5", "headers": {"X-Test": {"equalTo": "look"}}}, "response": {"status": 410, "headers": {"X-Step": "5"}, "jsonBody": {"step": 5, "name": "look"}}, "name": "look"},
{"request": {"method": "OPTIONS", "urlPath": "/orders/6", "headers": {"X-Test": {"equalTo": "ask"}}}, "response": {"status": 451, "headers": {"X-Step": "6"}, "jsonBody": {"step": 6, "name": "ask"}}, "name": "ask"},
{"request": {"method": "GET", "urlPath": "/orders/7", "headers": {"X-Test": {"equalTo": "again"}}}, "response": {"status": 508, "headers": {"X-Step": "7"}, "jsonBody": {"step": 7, "name": "again"}}, "name": "again"}
]}
`,
			want: "" +
				"# Imported from stubs.json, 8 stubs: 8 rules.\n" +
				"# The last one that matches decides in WireMock, so the rules are in reverse order.\n" +
				"\n" +
				"fault {\n" +
				"\tpoint stubs\n" +
				"\trule again {\n" +
				"\t\tmatch {\n" +
				"\t\t\theader X-Test again\n" +
				"\t\t\tmethod GET\n" +
				"\t\t\tpath /orders/7\n" +
				"\t\t}\n" +
				"\t\trespond 508 {\n" +
				"\t\t\tbody `{\"step\":7,\"name\":\"again\"}`\n" +
				"\t\t\theader X-Step 7\n" +
				"\t\t}\n" +
				"\t}\n" +
				"\trule ask {\n" +
				"\t\tmatch {\n" +
				"\t\t\theader X-Test ask\n" +
				"\t\t\tmethod OPTIONS\n" +
				"\t\t\tpath /orders/6\n" +
				"\t\t}\n" +
				"\t\trespond 451 {\n" +
				"\t\t\tbody `{\"step\":6,\"name\":\"ask\"}`\n" +
				"\t\t\theader X-Step 6\n" +
				"\t\t}\n" +
				"\t}\n" +
				"\trule look {\n" +
				"\t\tmatch {\n" +
				"\t\t\theader X-Test look\n" +
				"\t\t\tmethod HEAD\n" +
				"\t\t\tpath /orders/5\n" +
				"\t\t}\n" +
				"\t\trespond 410 {\n" +
				"\t\t\tbody `{\"step\":5,\"name\":\"look\"}`\n" +
				"\t\t\theader X-Step 5\n" +
				"\t\t}\n" +
				"\t}\n" +
				"\trule change {\n" +
				"\t\tmatch {\n" +
				"\t\t\theader X-Test change\n" +
				"\t\t\tmethod PATCH\n" +
				"\t\t\tpath /orders/4\n" +
				"\t\t}\n" +
				"\t\trespond 429 {\n" +
				"\t\t\tbody `{\"step\":4,\"name\":\"change\"}`\n" +
				"\t\t\theader X-Step 4\n" +
				"\t\t}\n" +
				"\t}\n" +
				"\trule delete {\n" +
				"\t\tmatch {\n" +
				"\t\t\theader X-Test delete\n" +
				"\t\t\tmethod DELETE\n" +
				"\t\t\tpath /orders/3\n" +
				"\t\t}\n" +
				"\t\trespond 504 {\n" +
				"\t\t\tbody `{\"step\":3,\"name\":\"delete\"}`\n" +
				"\t\t\theader X-Step 3\n" +
				"\t\t}\n" +
				"\t}\n" +
				"\trule replace {\n" +
				"\t\tmatch {\n" +
				"\t\t\theader X-Test replace\n" +
				"\t\t\tmethod PUT\n" +
				"\t\t\tpath /orders/2\n" +
				"\t\t}\n" +
				"\t\trespond 503 {\n" +
				"\t\t\tbody `{\"step\":2,\"name\":\"replace\"}`\n" +
				"\t\t\theader X-Step 2\n" +
				"\t\t}\n" +
				"\t}\n" +
				"\trule create {\n" +
				"\t\tmatch {\n" +
				"\t\t\theader X-Test create\n" +
				"\t\t\tmethod POST\n" +
				"\t\t\tpath /orders/1\n" +
				"\t\t}\n" +
				"\t\trespond 502 {\n" +
				"\t\t\tbody `{\"step\":1,\"name\":\"create\"}`\n" +
				"\t\t\theader X-Step 1\n" +
				"\t\t}\n" +
				"\t}\n" +
				"\trule read {\n" +
				"\t\tmatch {\n" +
				"\t\t\theader X-Test read\n" +
				"\t\t\tmethod GET\n" +
				"\t\t\tpath /orders/0\n" +
				"\t\t}\n" +
				"\t\trespond 500 {\n" +
				"\t\t\tbody `{\"step\":0,\"name\":\"read\"}`\n" +
				"\t\t\theader X-Step 0\n" +
				"\t\t}\n" +
				"\t}\n" +
				"}\n",
			notes: "",
		},
		{
			name: "Slow replies of all kinds.",
			file: "stubs.json",
			source: `
{"mappings": [
{"request": {"urlPathPattern": "/slow/0/[a-z]+"}, "response": {"status": 200, "body": "ok", "fixedDelayMilliseconds": 10}},
{"request": {"urlPathPattern": "/slow/1/[a-z]+"}, "response": {"status": 200, "body": "ok", "fixedDelayMilliseconds": 61000}},
{"request": {"urlPathPattern": "/slow/2/[a-z]+"}, "response": {"status": 200, "body": "ok", "fixedDelayMilliseconds": 3600000}},
{"request": {"urlPathPattern": "/slow/3/[a-z]+"}, "response": {"status": 200, "body": "ok", "chunkedDribbleDelay": {"numberOfChunks": 5, "totalDuration": 1000}}},
{"request": {"urlPathPattern": "/slow/4/[a-z]+"}, "response": {"status": 200, "body": "ok", "chunkedDribbleDelay": {"numberOfChunks": 0, "totalDuration": 1000}}},
{"request": {"urlPathPattern": "/slow/5/[a-z]+"}, "response": {"status": 200, "body": "ok", "delayDistribution": {"type": "lognormal", "median": 0, "sigma": 1}}},
{"request": {"urlPathPattern": "/slow/6/[a-z]+"}, "response": {"status": 200, "body": "ok", "delayDistribution": {"type": "lognormal", "median": 20, "sigma": 0}}},
{"request": {"urlPathPattern": "/slow/7/[a-z]+"}, "response": {"status": 200, "body": "ok", "delayDistribution": {"type": "uniform", "lower": 0, "upper": 5}}}
]}
`,
			want: `
# Imported from stubs.json, 8 stubs: 6 rules, 2 that only mocks.
# The last one that matches decides in WireMock, so the rules are in reverse order.

fault {
	point stubs
	rule stub8 {
		match path_regexp ^/slow/7/[a-z]+$
		delay 0s 5ms
	}
	rule stub7 {
		match path_regexp ^/slow/6/[a-z]+$
		delay 20ms
	}
	rule stub4 {
		match path_regexp ^/slow/3/[a-z]+$
		dribble 5 1s
	}
	rule stub3 {
		match path_regexp ^/slow/2/[a-z]+$
		delay 1h
	}
	rule stub2 {
		match path_regexp ^/slow/1/[a-z]+$
		delay 61s
	}
	rule stub1 {
		match path_regexp ^/slow/0/[a-z]+$
		delay 10ms
	}
}
`,
			notes: `
stubs.json:2: mappings[0].response: skipped: the reply of status 200 is not imported: its delay applies to the reply of the upstream
stubs.json:3: mappings[1].response: skipped: the reply of status 200 is not imported: its delay applies to the reply of the upstream
stubs.json:4: mappings[2].response: skipped: the reply of status 200 is not imported: its delay applies to the reply of the upstream
stubs.json:5: mappings[3].response: skipped: the reply of status 200 is not imported: its delay applies to the reply of the upstream
stubs.json:6: mappings[4]: skipped: a stub without a fault: stub 5
stubs.json:7: mappings[5]: skipped: a stub without a fault: stub 6
stubs.json:8: mappings[6].response: skipped: the reply of status 200 is not imported: its delay applies to the reply of the upstream
stubs.json:9: mappings[7].response: skipped: the reply of status 200 is not imported: its delay applies to the reply of the upstream
`,
		},
		{
			name: "Three scenarios, each for another path.",
			file: "stubs.json",
			source: `
{"mappings": [
{"request": {"url": "/pay"}, "response": {"status": 503}, "scenarioName": "pay", "requiredScenarioState": "Started", "newScenarioState": "one"},
{"request": {"url": "/pay"}, "response": {"status": 502}, "scenarioName": "pay", "requiredScenarioState": "one", "newScenarioState": "two"},
{"request": {"url": "/pay"}, "response": {"status": 201}, "scenarioName": "pay", "requiredScenarioState": "two"},
{"request": {"url": "/ship"}, "response": {"status": 503}, "scenarioName": "ship", "requiredScenarioState": "Started", "newScenarioState": "one"},
{"request": {"url": "/ship"}, "response": {"status": 502}, "scenarioName": "ship", "requiredScenarioState": "one", "newScenarioState": "two"},
{"request": {"url": "/ship"}, "response": {"status": 201}, "scenarioName": "ship", "requiredScenarioState": "two"},
{"request": {"url": "/mail"}, "response": {"status": 503}, "scenarioName": "mail", "requiredScenarioState": "Started", "newScenarioState": "one"},
{"request": {"url": "/mail"}, "response": {"status": 502}, "scenarioName": "mail", "requiredScenarioState": "one", "newScenarioState": "two"},
{"request": {"url": "/mail"}, "response": {"status": 201}, "scenarioName": "mail", "requiredScenarioState": "two"}
]}
`,
			want: "" +
				"# Imported from stubs.json, 9 stubs: 3 rules.\n" +
				"# The last one that matches decides in WireMock, so the rules are in reverse order.\n" +
				"\n" +
				"fault {\n" +
				"\tpoint stubs\n" +
				"\trule mail {\n" +
				"\t\tmatch expression `{http.request.uri} == \"/mail\"`\n" +
				"\t\tsequence {\n" +
				"\t\t\trespond 503 \"\"\n" +
				"\t\t\trespond 502 \"\"\n" +
				"\t\t\tpass\n" +
				"\t\t}\n" +
				"\t}\n" +
				"\trule ship {\n" +
				"\t\tmatch expression `{http.request.uri} == \"/ship\"`\n" +
				"\t\tsequence {\n" +
				"\t\t\trespond 503 \"\"\n" +
				"\t\t\trespond 502 \"\"\n" +
				"\t\t\tpass\n" +
				"\t\t}\n" +
				"\t}\n" +
				"\trule pay {\n" +
				"\t\tmatch expression `{http.request.uri} == \"/pay\"`\n" +
				"\t\tsequence {\n" +
				"\t\t\trespond 503 \"\"\n" +
				"\t\t\trespond 502 \"\"\n" +
				"\t\t\tpass\n" +
				"\t\t}\n" +
				"\t}\n" +
				"}\n",
			notes: "",
		},
	})
}
