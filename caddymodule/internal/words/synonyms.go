package words

// entry has words of other tools, and the lines that mean the same here.
type entry struct {
	words string
	lines []string
}

func say(words string, lines ...string) entry { return entry{words, lines} }

// synonyms lists the words that people try, by the place where they write them. Case
// and underscores do not matter.
var synonyms = map[Place][]entry{
	Rule: {
		// how often
		say("probability percentage percents percent_of chance toxicity ratio fraction error_rate failure_rate fail_rate share weight sample sampling", "percent 10"),
		say("rate", "percent 10", "throttle 64KiB/s"),
		say("count max n attempts max_faults", "times 2"),
		say("limit", "times 2", "ratelimit 100 1m"),
		say("rate_limit ratelimiting quota", "ratelimit 100 1m"),
		say("after ignore_first warmup", "skip 2", "start 5m"),
		say("concurrency max_concurrent parallel max_active_faults", "max_active 10"),
		say("duration", "delay 250ms", "end 10m"),
		say("ttl expires expire until for stop", "end 10m"),
		say("begin from since at", "start 5m"),
		say("burst burst_for outage streak sticky_for", "lasts 10s"),
		say("interval period repeat schedule", "cycle 10s 1m"),
		say("ramp_up rampup grow increase", "ramp 5m"),
		say("by group_by key user", "per {header.X-User}"),
		say("log_only shadow test simulate", "dry_run"),
		say("exempt exclude except ignore unless", "match not path /healthz"),
		say("on_response response", "phase response"),

		// which requests
		say("if when where matcher filter path url uri route", "match path /api/*"),
		say("method methods verb", "match method POST"),
		say("host domain", "match host api.example.com"),
		say("query param params", "match query debug=1"),
		say("ip client_ip remote_ip", "match remote_ip 192.0.2.0/24"),
		say("expression cel", "match `path('/api/*') && method('POST')`"),
		say("if_status on_status when_status", "match_response status 5xx"),

		// a delay
		say("latency lag wait sleep slow slowdown slow_down pause response_time fixed_delay http_delay add_latency delay_ms ms", "delay 250ms"),
		say("jitter random_delay", "delay 200ms 500ms"),
		say("timeout time_out freeze stall block hold hang_forever no_response noresponse", "hang"),

		// a reply
		say("fault inject abort status status_code code http_status http_abort fail failure failed exception return reply answer down unavailable", "respond 503"),
		say("body message msg text", `respond 503 "try later"`),
		say("header headers set_header add_header", "respond 503 {\n\theader Retry-After 5\n}"),
		say("reason phrase reason_phrase status_text", "respond 503 {\n\treason \"Try Later\"\n}"),
		say("throttled too_many_requests", "respond 429"),
		say("redirect redir", "respond 302 {\n\theader Location /maintenance\n}"),
		say("grpc_status grpc_code grpc_abort", "grpc UNAVAILABLE"),
		say("error_code raise throw", "error 502"),
		say("early_hints early_hint hints informational 1xx continue processing", "interim 103"),
		say("trailer no_trailers drop_trailers", "trailers drop"),

		// the connection
		say("drop disconnect close_connection end_connection empty empty_response packet_loss loss eof", "close"),
		say("kill rst reset_peer reset_connection connection_reset", "reset"),
		say("blackhole black_hole", "hang"),
		say("connection_refused refused dial_error", "refuse"),

		// the body
		say("bandwidth speed rate_kbps throughput slow_body bytes_per_second response_rate_limit", "throttle 64KiB/s"),
		say("limit_data cut partial incomplete", "truncate 50%"),
		say("slicer drip chunk chunks chunked trickle", "dribble 10 5s"),
		say("bitflip bit_flip flip mangle noise", "corrupt 1%"),
		say("random_data junk", "garbage 1KiB"),
		say("invalid broken bad_response", "malformed"),
		say("drift contract_drift schema_drift contract mutation mutations fuzz fuzzing", "mutate drop null"),
		say("json modify rewrite replace transform", "patch {\n\tjson `{\"total\": null}`\n}"),
		say("random oneof one_of either pick", "choose {\n\t70 respond 503\n\t30 delay 2s\n}"),
		say("steps then scenario script", "sequence {\n\trespond 503\n\tpass\n}"),
	},
	Point: {
		say("name id label", "point checkout"),
		say("random_seed rand", "seed 42"),
		say("off disable disabled paused", "halted"),
		say("origin origins allow_origin access_control_allow_origin cross_origin", "cors https://app.example.com"),
		say("sticky_key consistent session affinity", "sticky {header.X-User}"),
		say("rules experiment", "rule slow {\n\tdelay 2s\n}"),
		say("triggers trigger_header header_trigger", "trigger header X-Fault"),
	},
	Transport: {
		say("tls", "transport http {\n\ttls\n}"),
		say("tls_insecure_skip_verify", "transport http {\n\ttls_insecure_skip_verify\n}"),
		say("dial_timeout", "transport http {\n\tdial_timeout 5s\n}"),
		say("read_timeout response_header_timeout", "transport http {\n\tresponse_header_timeout 5s\n}"),
		say("keepalive", "transport http {\n\tkeepalive off\n}"),
		say("versions", "transport http {\n\tversions h2c 2\n}"),
	},
	Global: {
		say("off disable disabled halt stop kill_switch", "halted"),
		say("dryrun simulate log_only shadow", "dry_run"),
		say("header disclosure reveal expose", "disclose X-Fault-Injected"),
		say("limit concurrency max_concurrent blast_radius", "max_active 100"),
		say("history log events", "journal 1000"),
		say("abort_when stop_when guard circuit_breaker steady_state", "halt_when 50 1m"),
		say("cluster group storage sync", "share staging 1s"),
		say("exclude except ignore skip_paths allowlist whitelist never protect health_check probes", "exempt path /healthz"),
		say("matchers allow_matchers", "experiment_matchers maxmind_geolocation"),
	},
	Trigger: {
		say("secret token password auth", "key {env.FAULT_KEY}"),
		say("kinds faults only allowed", "allow delay respond"),
		say("timeout max_latency limit", "max_delay 5s"),
		say("max concurrency", "max_active 10"),
		say("probability percentage chance", "percent 10"),
	},
	Match: {
		say("body json jsonpath json_path json_pointer", "match json_body /method tools/call"),
		say("url uri route location paths prefix", "match path /api/*"),
		say("regex regexp path_regex pathregexp", "match path_regexp ^/api/v[0-9]+/"),
		say("suffix extension", "match path *.php"),
		say("verb methods", "match method POST"),
		say("hostname domain hosts", "match host api.example.com"),
		say("param params query_string", "match query debug=1"),
		say("headers", "match header X-User 7"),
		say("header_regex", "match header_regexp User-Agent curl"),
		say("cookie cookies", "match header Cookie *name=value*"),
		say("user_agent useragent", "match header User-Agent *curl*"),
		say("ip source_ip src_ip remote", "match remote_ip 192.0.2.0/24"),
		say("scheme proto", "match protocol https"),
		say("cel if", "match `path('/api/*') && method('POST')`"),
		say("all any everything", "match *"),
		say("status", "match_response status 5xx"),
	},
	MatchResponse: {
		say("code status_code codes", "match_response status 5xx"),
		say("headers field", "match_response header Content-Type application/json*"),
	},
	"respond": {
		say("status code status_code", "respond 503 {\n\theader Retry-After 5\n}"),
		say("headers set_header add_header", "header Retry-After 5"),
		say("retry wait", "retry_after 5s"),
		say("message msg text content", `body "try later"`),
		say("file", "body_file maintenance.html"),
		say("type mime", "content_type text/plain"),
		say("phrase status_text", `reason "Try Later"`),
	},
	"delay": {
		say("jitter range", "delay 200ms 500ms"),
		say("min minimum least", "at_least 100ms"),
		say("max maximum most limit", "at_most 2s"),
		say("duration latency", "delay 250ms"),
		say("grow growing increase rise until", "delay ramp 100ms 5s 10m"),
		say("distribution", "delay normal 250ms 50ms"),
	},
	"patch": {
		say("merge merge_patch json_patch", "json `{\"total\": null}`"),
		say("add put null", "set /items/0/price null"),
		say("delete unset", "remove /items/0"),
		say("regexp regex substitute", "replace [0-9]+ 0"),
		say("text", "body `it is gone`"),
		say("status_code code", "status 404"),
		say("headers", "header Retry-After 5"),
		say("size limit", "max_size 1MiB"),
	},
	"mutate": {
		say("operations operation op mutations kinds types", "ops drop null retype"),
		say("only fields field path paths pointer pointers where in", "at /items/*/price"),
		say("except exclude ignore skip not protect keep", "not_at /meta"),
		say("all every one_by_one in_turn enumerate exhaustive", "each"),
		say("n times number changes", "count 2"),
		say("size limit", "max_size 1MiB"),
	},
	"grpc": {
		say("retry_pushback retry_pushback_ms grpc_retry_pushback_ms", "pushback 2s"),
		say("retry_after retry_delay retry details detail", "retry_info 2s"),
		say("message msg", "grpc UNAVAILABLE `try later`"),
	},
	"interim": {
		say("link headers", `header Link "</style.css>; rel=preload"`),
		say("count times n gap interval", "interim 103 100 10ms"),
	},
	"trailers": {
		say("delete remove -", "drop Grpc-Status"),
		say("add header trailer", "set Grpc-Status 14"),
	},
	"hang": {
		say("resume go_on proceed", "continue"),
		say("direction upload", "request"),
		say("before at", "after 64KiB"),
		say("for time timeout", "hang 30s"),
	},
	"truncate": {
		say("direction upload", "request"),
		say("timeout duration", "after 5s"),
	},
	"throttle": {
		say("direction upload", "request"),
		say("rate speed bandwidth", "throttle 64KiB/s {\n\tafter 64KiB\n}"),
		say("skip", "after 64KiB"),
		say("bucket burst_size capacity", "burst 256KiB"),
		say("per share global", "shared"),
	},
	"fault_console": {
		say("open public no_auth noauth allow", "insecure"),
	},
}
