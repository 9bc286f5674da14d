package importer

import "testing"

func TestEnvoyGateway(t *testing.T) {
	checkCases(t, []importCase{
		{
			name: "Without its route, a comment says where the lines belong.",
			file: "policy.yaml",
			source: `
kind: BackendTrafficPolicy
metadata: {name: slow}
spec:
  targetRefs: [{kind: HTTPRoute, name: r}]
  faultInjection: {delay: {fixedDelay: 2s}, abort: {grpcStatus: 8, percentage: 12.5}}
`,
			want: `
# Imported from policy.yaml, BackendTrafficPolicy slow.
# It is for the HTTPRoute r: put these lines where its requests go.

# HTTPRoute r: a delay and an abort are two draws, so they are two points.
fault {
	point slow-delay
	delay 2s
}
fault {
	point slow-abort
	percent 12.5
	grpc RESOURCE_EXHAUSTED "fault filter abort"
}
`,
			notes: `
policy.yaml:4: spec.targetRefs[0]: elsewhere: It is for the HTTPRoute r: put these lines where its requests go.
`,
		},
		{
			name: "All kinds of matches.",
			file: "policy.yaml",
			source: `
kind: BackendTrafficPolicy
metadata: {name: slow}
spec:
  targetRefs: [{kind: HTTPRoute, name: r}]
  faultInjection: {abort: {httpStatus: 503}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r}
spec:
  rules:
  - matches:
    - path: {type: Exact, value: /a}
      method: POST
    - path: {type: RegularExpression, value: "/b/[0-9]+"}
      queryParams: [{name: q, value: "1"}, {name: r, type: RegularExpression, value: "a|b"}]
    - path: {value: /}
      headers: [{name: x-a, type: RegularExpression, value: "v.*"}]
`,
			want: "" +
				"# Imported from policy.yaml, BackendTrafficPolicy slow.\n" +
				"\n" +
				"fault {\n" +
				"\tpoint slow\n" +
				"\tmatch {\n" +
				"\t\tmethod POST\n" +
				"\t\tpath /a\n" +
				"\t}\n" +
				"\tmatch {\n" +
				"\t\texpression `{http.request.uri.query.r}.matches(\"^(?:a|b)$\")`\n" +
				"\t\tpath_regexp ^/b/[0-9]+$\n" +
				"\t\tquery q=1\n" +
				"\t\tquery r=*\n" +
				"\t}\n" +
				"\tmatch header_regexp X-A ^v.*$\n" +
				"\trespond 503 {\n" +
				"\t\tcontent_type text/plain\n" +
				"\t\tbody \"fault filter abort\"\n" +
				"\t}\n" +
				"}\n",
			notes: "",
		},
		{
			name: "A rule without matches is for all requests.",
			file: "policy.yaml",
			source: `
kind: BackendTrafficPolicy
metadata: {name: slow}
spec:
  targetRefs: [{kind: HTTPRoute, name: r}]
  faultInjection: {abort: {httpStatus: 503}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r}
spec:
  rules:
  - backendRefs: []
  - matches: [{path: {value: /a}}]
`,
			want: `
# Imported from policy.yaml, BackendTrafficPolicy slow.

fault {
	point slow
	respond 503 {
		content_type text/plain
		body "fault filter abort"
	}
}
`,
			notes: "",
		},
		{
			name: "Methods of gRPC.",
			file: "policy.yaml",
			source: `
kind: BackendTrafficPolicy
metadata: {name: slow}
spec:
  targetRefs: [{kind: GRPCRoute, name: r}]
  faultInjection: {abort: {grpcStatus: 14}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {name: r}
spec:
  rules:
  - matches:
    - method: {service: shop.Cart, method: Add}
    - method: {service: shop.Orders}
    - method: {method: List}
    - method: {type: RegularExpression, service: "a.*"}
`,
			want: "" +
				"# Imported from policy.yaml, BackendTrafficPolicy slow.\n" +
				"\n" +
				"fault {\n" +
				"\tpoint slow\n" +
				"\tmatch path /shop.Cart/Add\n" +
				"\tmatch path /shop.Orders/*\n" +
				"\tmatch expression `{http.request.uri.path}.endsWith(\"/List\")`\n" +
				"\tgrpc UNAVAILABLE \"fault filter abort\"\n" +
				"}\n",
			notes: `
policy.yaml:16: spec.rules[0].matches[3].method.type: left out: a pattern of a method of gRPC
`,
		},
		{
			name: "Unknown types are left out.",
			file: "policy.yaml",
			source: `
kind: BackendTrafficPolicy
metadata: {name: slow}
spec:
  targetRefs: [{kind: HTTPRoute, name: r}]
  faultInjection: {abort: {httpStatus: 503}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r}
spec:
  rules:
  - matches:
    - path: {type: Suffix, value: /a}
    - headers: [{name: x-a, type: Prefix, value: v}]
`,
			want: `
# Imported from policy.yaml, BackendTrafficPolicy slow.

# Left out: HTTPRoute r: unknown type Suffix; unknown type Prefix.
# fault {
# 	point slow
# 	respond 503 {
# 		content_type text/plain
# 		body "fault filter abort"
# 	}
# }
`,
			notes: `
policy.yaml:13: spec.rules[0].matches[0].path.type: left out: unknown type Suffix
policy.yaml:14: spec.rules[0].matches[1].headers[0].type: left out: unknown type Prefix
`,
		},
		{
			name: "A policy without a fault, and one of kgateway that is disabled.",
			file: "policy.yaml",
			source: `
kind: BackendTrafficPolicy
metadata: {name: retry}
spec: {retry: {numRetries: 3}}
---
kind: TrafficPolicy
metadata: {name: off}
spec: {faultInjection: {disable: {}}}
---
kind: TrafficPolicy
metadata: {name: on}
spec:
  targetSelectors: [{kind: HTTPRoute}]
  faultInjection: {delay: {fixedDelay: 100ms}, maxActiveFaults: 7}
`,
			want: `
# Imported from policy.yaml, TrafficPolicy on.
# It is for what its targetSelectors select: put these lines where those requests go.

fault {
	point on
	max_active 7
	delay 100ms
}
`,
			notes: `
policy.yaml:1: file: skipped: the BackendTrafficPolicy retry has no fault
policy.yaml:7: spec.faultInjection.disable: skipped: the faults of off are disabled
policy.yaml:12: spec.targetSelectors: elsewhere: It is for what its targetSelectors select: put these lines where those requests go.
policy.yaml:13: spec.faultInjection.maxActiveFaults: approximate: maxActiveFaults counts all faults together; max_active counts those of one rule
`,
		},
	})
}
