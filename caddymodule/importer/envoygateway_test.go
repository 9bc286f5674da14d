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
		{
			name: "Several policies for several routes.",
			file: "policy.yaml",
			source: `
kind: BackendTrafficPolicy
metadata: {name: p0}
spec:
  targetRef: {kind: HTTPRoute, name: r0}
  faultInjection: {delay: {fixedDelay: 50ms, percentage: 1}, abort: {httpStatus: 500, percentage: 2}}
---
kind: HTTPRoute
metadata: {name: r0}
spec:
  hostnames: [a0.example]
  rules: [{matches: [{path: {value: /r0}, method: GET}]}]
---
kind: BackendTrafficPolicy
metadata: {name: p1}
spec:
  targetRef: {kind: HTTPRoute, name: r1}
  faultInjection: {delay: {fixedDelay: 150ms, percentage: 2}, abort: {httpStatus: 501, percentage: 3}}
---
kind: HTTPRoute
metadata: {name: r1}
spec:
  hostnames: [a1.example]
  rules: [{matches: [{path: {value: /r1}, method: GET}]}]
---
kind: BackendTrafficPolicy
metadata: {name: p2}
spec:
  targetRef: {kind: HTTPRoute, name: r2}
  faultInjection: {delay: {fixedDelay: 250ms, percentage: 3}, abort: {httpStatus: 502, percentage: 4}}
---
kind: HTTPRoute
metadata: {name: r2}
spec:
  hostnames: [a2.example]
  rules: [{matches: [{path: {value: /r2}, method: GET}]}]
---
kind: BackendTrafficPolicy
metadata: {name: p3}
spec:
  targetRef: {kind: HTTPRoute, name: r3}
  faultInjection: {delay: {fixedDelay: 350ms, percentage: 4}, abort: {httpStatus: 503, percentage: 5}}
---
kind: HTTPRoute
metadata: {name: r3}
spec:
  hostnames: [a3.example]
  rules: [{matches: [{path: {value: /r3}, method: GET}]}]
`,
			want: `
# Imported from policy.yaml, BackendTrafficPolicy p0.
# It is for the site a0.example.

# HTTPRoute r0: a delay and an abort are two draws, so they are two points.
fault {
	point p0-delay
	match {
		method GET
		path /r0 /r0/*
	}
	percent 1
	delay 50ms
}
fault {
	point p0-abort
	match {
		method GET
		path /r0 /r0/*
	}
	percent 2
	respond 500 {
		content_type text/plain
		body "fault filter abort"
	}
}

# Imported from policy.yaml, BackendTrafficPolicy p1.
# It is for the site a1.example.

# HTTPRoute r1: a delay and an abort are two draws, so they are two points.
fault {
	point p1-delay
	match {
		method GET
		path /r1 /r1/*
	}
	percent 2
	delay 150ms
}
fault {
	point p1-abort
	match {
		method GET
		path /r1 /r1/*
	}
	percent 3
	respond 501 {
		content_type text/plain
		body "fault filter abort"
	}
}

# Imported from policy.yaml, BackendTrafficPolicy p2.
# It is for the site a2.example.

# HTTPRoute r2: a delay and an abort are two draws, so they are two points.
fault {
	point p2-delay
	match {
		method GET
		path /r2 /r2/*
	}
	percent 3
	delay 250ms
}
fault {
	point p2-abort
	match {
		method GET
		path /r2 /r2/*
	}
	percent 4
	respond 502 {
		content_type text/plain
		body "fault filter abort"
	}
}

# Imported from policy.yaml, BackendTrafficPolicy p3.
# It is for the site a3.example.

# HTTPRoute r3: a delay and an abort are two draws, so they are two points.
fault {
	point p3-delay
	match {
		method GET
		path /r3 /r3/*
	}
	percent 4
	delay 350ms
}
fault {
	point p3-abort
	match {
		method GET
		path /r3 /r3/*
	}
	percent 5
	respond 503 {
		content_type text/plain
		body "fault filter abort"
	}
}
`,
			notes: `
policy.yaml:10: spec.hostnames: elsewhere: It is for the site a0.example.
policy.yaml:22: spec.hostnames: elsewhere: It is for the site a1.example.
policy.yaml:34: spec.hostnames: elsewhere: It is for the site a2.example.
policy.yaml:46: spec.hostnames: elsewhere: It is for the site a3.example.
`,
		},
	})
}
