package words

// forms has every setting, option and kind. The name of an option follows the name of
// its owner.
var forms = map[string]Form{
	// settings of a rule
	"match":          {"match <matcher> [<value>...] | match @<name> | match <path>", "match path /api/*", `"match": [{"path": ["/api/*"]}]`},
	"percent":        {"percent <0 to 100>", "percent 10", `"percent": 10`},
	"skip":           {"skip <number>", "skip 2", `"skip": 2`},
	"every":          {"every <number>", "every 3", `"every": 3`},
	"over":           {"over <requests> <window>", "over 100 1m", `"over": {"requests": 100, "window": "1m"}`},
	"times":          {"times <number>", "times 2", `"times": 2`},
	"lasts":          {"lasts <duration>", "lasts 10s", `"lasts": "10s"`},
	"per":            {"per <key>", "per {header.X-User}", `"per": "{http.request.header.X-User}"`},
	"max_keys":       {"max_keys <number>", "max_keys 1000", `"max_keys": 1000`},
	"start":          {"start <instant> | start <duration>", "start 5m", `"start": "5m"`},
	"end":            {"end <instant> | end <duration>", "end 10m", `"end": "10m"`},
	"follows":        {"follows <rule> [<duration>]", "follows writes 5s", `"follows": {"rule": "writes", "for": "5s"}`},
	"cycle":          {"cycle <on> <period>", "cycle 10s 1m", `"cycle": {"on": "10s", "period": "1m"}`},
	"ramp":           {"ramp <duration>", "ramp 5m", `"ramp": "5m"`},
	"max_active":     {"max_active <number>", "max_active 10", `"max_active": 10`},
	"phase":          {"phase request | phase response", "phase response", `"phase": "response"`},
	"match_response": {"match_response status <code>... | match_response header <field> [<value>]", "match_response status 5xx", `"match_response": {"status_code": [5]}`},
	"health_checks":  {"health_checks", "health_checks", `"health_checks": true`},
	"observe":        {"observe", "observe", `"observe": true`},
	"dry_run":        {"dry_run", "dry_run", `"dry_run": true`},

	// the block of a point
	"fault":     {"fault [<matcher>] [<fault>] [{ ... }]", "fault /api/* 503", ""},
	"point":     {"point <name>", "point checkout", ""},
	"sticky":    {"sticky <key>", "sticky {header.X-User}", ""},
	"seed":      {"seed <number>", "seed 42", ""},
	"halted":    {"halted", "halted", ""},
	"cors":      {"cors [<origin>...]", "cors https://app.example.com", ""},
	"rule":      {"rule [<name>] { ... }", "rule slow {\n\tdelay 2s\n}", ""},
	"trigger":   {"trigger header [<field>] | trigger cookie [<name>] | trigger query [<parameter>] | trigger baggage [<member>] | trigger envoy", "trigger header X-Fault", ""},
	"transport": {"transport <name> [{ ... }]", "transport http", ""},

	"trigger key":        {"key <text>", "key {env.FAULT_KEY}", ""},
	"trigger allow":      {"allow <kind>...", "allow delay respond", ""},
	"trigger max_delay":  {"max_delay <duration>", "max_delay 5s", ""},
	"trigger max_active": {"max_active <number>", "max_active 10", ""},
	"trigger percent":    {"percent <0 to 100>", "percent 10", ""},

	// kinds of fault and their options
	"respond":              {"respond <status> [<text>] [{ ... }] | respond <text>", "respond 503", `{"fault": "respond", "status_code": 503}`},
	"respond reason":       {"reason <phrase>", `reason "Try Later"`, ""},
	"respond body":         {"body <text>", `body "try later"`, ""},
	"respond body_file":    {"body_file <path>", "body_file maintenance.html", ""},
	"respond body_base64":  {"body_base64 <base64>", "body_base64 H4sIAA==", ""},
	"respond body_size":    {"body_size <size>", "body_size 10MB", ""},
	"respond content_type": {"content_type <type>", "content_type text/plain", ""},
	"respond format":       {"format json | format text | format html | format problem | format auto", "format json", ""},
	"respond retry_after":  {"retry_after <duration> [date] | retry_after off", "retry_after 5s", ""},
	"respond header":       {"header [+]<field> <value> | header -<field>", "header Retry-After 5", ""},
	"respond close":        {"close", "close", ""},

	"error": {"error [<status>] [<message>]", "error 502", `{"fault": "error", "status_code": 502}`},

	"grpc":            {"grpc <code> [<message>] [{ ... }]", "grpc UNAVAILABLE", `{"fault": "grpc", "code": 14}`},
	"grpc pushback":   {"pushback <duration> | pushback off", "pushback 2s", ""},
	"grpc retry_info": {"retry_info <duration>", "retry_info 2s", ""},

	"interim":        {"interim <status> [<count> [<gap>]] [{ ... }]", "interim 103", `{"fault": "interim", "status_code": 103}`},
	"interim header": {"header <field> <value>", `header Link "</style.css>; rel=preload"`, ""},

	"delay": {"delay <duration> | delay <min> <max> | delay normal <mean> <deviation> | delay lognormal <median> <sigma> | delay pareto <scale> <shape> | " +
		"delay percentiles p<n>=<duration>... | delay ramp <from> <to> <duration>", "delay 250ms", `{"fault": "delay", "duration": "250ms"}`},
	"delay at_least": {"at_least <duration>", "at_least 100ms", ""},
	"delay at_most":  {"at_most <duration>", "at_most 2s", ""},
	"delay hold":     {"hold", "hold", ""},

	"ratelimit": {
		"ratelimit <requests> <window> [ietf|x|x_unix|off] [{ ... }]", "ratelimit 100 1m",
		`{"fault": "ratelimit", "requests": 100, "window": "1m"}`,
	},
	"ratelimit header": {"header [+]<field> <value> | header -<field>", "header X-RateLimit-Used {http.fault.used}", ""},

	"hang":             {"hang [<duration>]", "hang", `{"fault": "hang"}`},
	"hang after":       {"after <size> | after <percentage> | after <duration>", "after 64KiB", ""},
	"hang continue":    {"continue", "continue", ""},
	"hang request":     {"request", "request", ""},
	"close":            {"close [goaway [<code>]|connection]", "close", `{"fault": "close"}`},
	"reset":            {"reset [<code>|connection]", "reset", `{"fault": "reset"}`},
	"refuse":           {"refuse", "refuse", `{"fault": "refuse"}`},
	"garbage":          {"garbage [<size>] | garbage base64 <bytes>", "garbage 1KiB", `{"fault": "garbage"}`},
	"malformed":        {"malformed [<status>]", "malformed", `{"fault": "malformed"}`},
	"truncate":         {"truncate <size> [close|reset|clean] | truncate <percentage> [close|reset|clean]", "truncate 50%", `{"fault": "truncate", "percent": 50}`},
	"truncate after":   {"after <duration>", "after 5s", ""},
	"truncate request": {"request", "request", ""},

	"throttle":         {"throttle <size>/s", "throttle 64KiB/s", `{"fault": "throttle", "bytes_per_second": 65536}`},
	"throttle after":   {"after <size>", "after 64KiB", ""},
	"throttle burst":   {"burst <size>", "burst 256KiB", ""},
	"throttle shared":  {"shared", "shared", ""},
	"throttle request": {"request", "request", ""},
	"throttle both":    {"both", "both", ""},

	"dribble": {"dribble <chunks> <duration>", "dribble 10 5s", `{"fault": "dribble", "chunks": 10, "duration": "5s"}`},
	"corrupt": {"corrupt <percentage>", "corrupt 1%", `{"fault": "corrupt", "percent": 1}`},

	"stream":           {"stream <events> <action> [{ ... }] | stream { ... }", "stream 5 stop close", `{"fault": "stream", "steps": [{"events": "5", "action": "stop"}]}`},
	"stream format":    {"format sse | format ndjson | format json-seq | format grpc | format websocket | format lines", "format sse", ""},
	"stream max_event": {"max_event <size>", "max_event 1MiB", ""},

	"trailers":      {"trailers drop [<field>...] | trailers set <field> <value> | trailers { ... }", "trailers {\n\tdrop Grpc-Status\n}", `{"fault": "trailers", "drop": ["*"]}`},
	"trailers drop": {"drop [<field>...]", "drop Grpc-Status", ""},
	"trailers set":  {"set <field> <value>", "set Grpc-Status 14", ""},

	"patch":              {"patch { ... }", "patch {\n\tstatus 404\n}", `{"fault": "patch", "status_code": 404}`},
	"patch json":         {"json <merge patch> | json <JSON Patch>", "json `{\"total\": null}`", ""},
	"patch set":          {"set <JSON pointer> <JSON value>", "set /items/0/price null", ""},
	"patch remove":       {"remove <JSON pointer>", "remove /items/0", ""},
	"patch replace":      {"replace <pattern> <text>", "replace [0-9]+ 0", ""},
	"patch body":         {"body <text>", "body `it is gone`", ""},
	"patch content_type": {"content_type <type>", "content_type text/plain", ""},
	"patch header":       {"header [+]<field> <value> | header -<field>", "header Retry-After 5", ""},
	"patch status":       {"status <code>", "status 404", ""},
	"patch pad":          {"pad <size>", "pad 1MiB", ""},
	"patch max_size":     {"max_size <size>", "max_size 1MiB", ""},

	"choose": {
		"choose { ... }", "choose {\n\t70 respond 503\n\t30 delay 2s\n}",
		`{"fault": "choose", "branches": [{"weight": 1, "faults": [{"fault": "close"}]}]}`,
	},
	"sequence": {
		"sequence [once|loop] { ... }", "sequence {\n\trespond 503\n\tpass\n}",
		`{"fault": "sequence", "steps": [[{"fault": "close"}], []]}`,
	},

	// the global option
	"global halted":              {"halted", "halted", ""},
	"global dry_run":             {"dry_run", "dry_run", ""},
	"global disclose":            {"disclose <field> | disclose off", "disclose off", ""},
	"global max_active":          {"max_active <number>", "max_active 100", ""},
	"global journal":             {"journal <number>", "journal 1000", ""},
	"global halt_when":           {"halt_when <errors> <window>", "halt_when 50 1m", ""},
	"global share":               {"share <group> [<interval>]", "share staging 1s", ""},
	"global exempt":              {"exempt <matcher>", "exempt path /healthz", ""},
	"global clients":             {"clients off|{ <options> }", "clients off", ""},
	"clients call":               {"call <placeholder>", "call {header.X-Request-Id}", ""},
	"clients client":             {"client <placeholder>", "client {header.X-Client}", ""},
	"clients idempotent":         {"idempotent <matcher>", "idempotent path /graphql", ""},
	"clients window":             {"window <duration>", "window 1m", ""},
	"clients recovery":           {"recovery <duration>", "recovery 30s", ""},
	"clients max_calls":          {"max_calls <number>", "max_calls 4096", ""},
	"clients attempts":           {"attempts <number>", "attempts 5", ""},
	"global experiment_matchers": {"experiment_matchers <module>...", "experiment_matchers maxmind_geolocation", ""},

	"fault_console":          {"fault_console [<matcher>] [{ ... }]", "fault_console /chaos/*", ""},
	"fault_console insecure": {"insecure", "insecure", ""},

	// Caddy's matchers
	"match path":          {"match path <path>...", "match path /api/*", ""},
	"match path_regexp":   {"match path_regexp [<name>] <pattern>", "match path_regexp ^/api/v[0-9]+/", ""},
	"match json_body":     {"match json_body <JSON pointer> [<value>...]", "match json_body /method tools/call", ""},
	"match host":          {"match host <host>...", "match host api.example.com", ""},
	"match method":        {"match method <method>...", "match method POST", ""},
	"match header":        {"match header <field> [<value>]", "match header X-User 7", ""},
	"match header_regexp": {"match header_regexp [<name>] <field> <pattern>", "match header_regexp User-Agent curl", ""},
	"match query":         {"match query <name>=<value>...", "match query debug=1", ""},
	"match protocol":      {"match protocol <protocol>", "match protocol grpc", ""},
	"match remote_ip":     {"match remote_ip <address or range>...", "match remote_ip 192.0.2.0/24", ""},
	"match client_ip":     {"match client_ip <address or range>...", "match client_ip private_ranges", ""},
	"match expression":    {"match `<expression>`", "match `path('/api/*') && method('POST')`", ""},
	"match vars":          {"match vars <variable> <value>...", "match vars {http.request.host} example.com", ""},
	"match vars_regexp":   {"match vars_regexp [<name>] <variable> <pattern>", "match vars_regexp {http.request.host} ^api", ""},
	"match not":           {"match not <matcher> <value>...", "match not path /health", ""},
	"match tls":           {"match tls", "match tls", ""},
	"match file":          {"match file <file>...", "match file {path}", ""},

	"match_response status": {"match_response status <code>...", "match_response status 5xx", ""},
	"match_response header": {"match_response header <field> [<value>]", "match_response header Content-Type application/json*", ""},
}
