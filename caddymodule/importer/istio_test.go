package importer

import "testing"

func TestIstio(t *testing.T) {
	checkCases(t, []importCase{
		{
			name: "A delay and an abort for all requests are one rule.",
			file: "virtual.yaml",
			source: `
kind: VirtualService
metadata:
  name: shop
spec:
  http:
  - fault:
      delay:
        fixedDelay: 1h
        percentage:
          value: 100
      abort:
        httpStatus: 404
        percent: 100
`,
			want: `
# Imported from virtual.yaml, VirtualService shop.

fault {
	point shop-http0
	delay 1h
	respond 404 {
		content_type text/plain
		body "fault filter abort"
	}
}
`,
			notes: "",
		},
		{
			name: "Without a percentage nothing is injected.",
			file: "virtual.yaml",
			source: `
kind: VirtualService
metadata:
  name: shop
spec:
  http:
  - fault:
      delay:
        fixedDelay: 1500ms
`,
			want: `
# Imported from virtual.yaml, VirtualService shop.

fault {
	point shop-http0
	percent 0
	delay 1500ms
}
`,
			notes: `
virtual.yaml:7: spec.http[0].fault.delay: remark: without a percentage, Istio injects nothing: percent 0
`,
		},
		{
			name: "A delay that is not a duration is left out.",
			file: "virtual.yaml",
			source: `
kind: VirtualService
metadata:
  name: shop
spec:
  http:
  - fault:
      delay:
        fixedDelay: soon
        percent: 10
`,
			want: `
# Imported from virtual.yaml, VirtualService shop.

# Left out: http[0]: want a duration such as 1.5s, got soon.
# fault {
# 	point shop-http0
# 	percent 10
# 	delay 0s
# }
`,
			notes: `
virtual.yaml:8: spec.http[0].fault.delay.fixedDelay: left out: want a duration such as 1.5s, got soon
`,
		},
		{
			name: "Faults that Istio does not implement are left out.",
			file: "virtual.yaml",
			source: `
kind: VirtualService
metadata:
  name: shop
spec:
  http:
  - fault:
      delay:
        exponentialDelay: 2s
        percent: 10
      abort:
        http2Error: NO_ERROR
        percent: 10
`,
			want: `
# Imported from virtual.yaml, VirtualService shop.

# http[0]: a delay and an abort are two draws, so they are two points.
# Left out: http[0]: exponentialDelay has no meaning in Istio either.
# fault {
# 	point shop-http0-delay
# 	percent 10
# 	delay 0s
# }
# Left out: http[0]: http2Error is not known in Istio's proxies either; an abort needs a status.
`,
			notes: `
virtual.yaml:8: spec.http[0].fault.delay.exponentialDelay: left out: exponentialDelay has no meaning in Istio either
virtual.yaml:10: spec.http[0].fault.abort: left out: an abort needs a status
virtual.yaml:11: spec.http[0].fault.abort.http2Error: left out: http2Error is not known in Istio's proxies either
`,
		},
		{
			name: "An unknown code of gRPC is left out.",
			file: "virtual.yaml",
			source: `
kind: VirtualService
metadata:
  name: shop
spec:
  http:
  - fault:
      abort:
        grpcStatus: "14"
        percentage: {value: 0.1}
`,
			want: `
# Imported from virtual.yaml, VirtualService shop.

# Left out: http[0]: unknown code of gRPC 14.
# fault {
# 	point shop-http0
# 	percent 0.1%
# 	grpc 14 "fault filter abort"
# }
`,
			notes: `
virtual.yaml:8: spec.http[0].fault.abort.grpcStatus: left out: unknown code of gRPC 14
`,
		},
		{
			name: "The status OK is not a fault.",
			file: "virtual.yaml",
			source: `
kind: VirtualService
metadata:
  name: shop
spec:
  http:
  - fault:
      abort:
        grpcStatus: OK
        percent: 100
`,
			want: `
# Imported from virtual.yaml, VirtualService shop.

# Left out: http[0]: the status OK ends a stream without an error, which is not a fault here.
# fault {
# 	point shop-http0
# 	grpc OK "fault filter abort"
# }
`,
			notes: `
virtual.yaml:8: spec.http[0].fault.abort.grpcStatus: left out: the status OK ends a stream without an error, which is not a fault here
`,
		},
		{
			name: "Envoy refuses statuses above 599.",
			file: "virtual.yaml",
			source: `
kind: VirtualService
metadata:
  name: shop
spec:
  http:
  - fault:
      abort:
        httpStatus: 600
        percent: 100
`,
			want: `
# Imported from virtual.yaml, VirtualService shop.

# Left out: http[0]: Envoy refuses a status of 600 or above.
# fault {
# 	point shop-http0
# 	respond 600 {
# 		content_type text/plain
# 		body "fault filter abort"
# 	}
# }
`,
			notes: `
virtual.yaml:8: spec.http[0].fault.abort.httpStatus: left out: Envoy refuses a status of 600 or above
`,
		},
		{
			name: "A pattern with a look-ahead is left out.",
			file: "virtual.yaml",
			source: `
kind: VirtualService
metadata:
  name: shop
spec:
  http:
  - match:
    - uri:
        regex: /a(?=b)
    fault:
      abort:
        httpStatus: 500
        percent: 100
`,
			want: `
# Imported from virtual.yaml, VirtualService shop.

# Left out: http[0]: the pattern /a(?=b) uses what patterns in Go do not have.
# fault {
# 	point shop-http0
# 	respond 500 {
# 		content_type text/plain
# 		body "fault filter abort"
# 	}
# }
`,
			notes: `
virtual.yaml:7: spec.http[0].match[0].uri: left out: the pattern /a(?=b) uses what patterns in Go do not have
`,
		},
		{
			name: "An alternative that cannot be said is dropped.",
			file: "virtual.yaml",
			source: `
kind: VirtualService
metadata:
  name: shop
spec:
  http:
  - match:
    - uri:
        regex: /a(?=b)
    - uri:
        exact: /b
    fault:
      abort:
        httpStatus: 500
        percent: 100
`,
			want: `
# Imported from virtual.yaml, VirtualService shop.

fault {
	point shop-http0
	match path /b
	respond 500 {
		content_type text/plain
		body "fault filter abort"
	}
}
`,
			notes: `
virtual.yaml:7: spec.http[0].match[0].uri: left out: the pattern /a(?=b) uses what patterns in Go do not have
`,
		},
		{
			name: "Each kind of condition has a matcher.",
			file: "virtual.yaml",
			source: `
kind: VirtualService
metadata:
  name: shop
spec:
  http:
  - match:
    - uri:
        exact: /a*b
      ignoreUriCase: true
      scheme:
        exact: https
      authority:
        prefix: shop.
      port: 8443
      queryParams:
        mode:
          exact: fail
        debug:
          regex: "1|true"
      method:
        regex: GET|HEAD
    fault:
      abort:
        httpStatus: 500
        percent: 100
`,
			want: "" +
				"# Imported from virtual.yaml, VirtualService shop.\n" +
				"\n" +
				"fault {\n" +
				"\tpoint shop-http0\n" +
				"\tmatch {\n" +
				"\t\texpression `{http.request.uri.path}.lowerAscii() == \"/a*b\" && {http.request.scheme} == \"https\" && {http.request.hostport}.startsWith(\"shop.\") && {http.request.port} == 8443 && {http.request.uri.query.debug}.matches(\"^(?:1|true)$\")`\n" +
				"\t\tmethod GET HEAD\n" +
				"\t\tquery debug=*\n" +
				"\t\tquery mode=fail\n" +
				"\t}\n" +
				"\trespond 500 {\n" +
				"\t\tcontent_type text/plain\n" +
				"\t\tbody \"fault filter abort\"\n" +
				"\t}\n" +
				"}\n",
			notes: "",
		},
		{
			name: "An absent field counts as empty for withoutHeaders.",
			file: "virtual.yaml",
			source: `
kind: VirtualService
metadata:
  name: shop
spec:
  http:
  - match:
    - headers:
        x-a:
          prefix: v
        X-A:
          regex: ".*x"
      withoutHeaders:
        x-b:
          exact: "1"
        x-c: {}
        x-d:
          regex: ".*"
    fault:
      abort:
        httpStatus: 500
        percent: 100
`,
			want: `
# Imported from virtual.yaml, VirtualService shop.

fault {
	point shop-http0
	match {
		header X-A v*
		header !X-C
		header X-D *
		header_regexp X-A ^.*x$
		not header X-B 1
		not header_regexp X-D ^.*$
	}
	respond 500 {
		content_type text/plain
		body "fault filter abort"
	}
}
`,
			notes: "",
		},
		{
			name: "What follows a route that cannot be said is left out where they overlap.",
			file: "virtual.yaml",
			source: `
kind: VirtualService
metadata:
  name: shop
spec:
  http:
  - match:
    - sourceLabels:
        app: web
      uri:
        prefix: /a
    route: []
  - match:
    - uri:
        prefix: /b
    fault:
      abort:
        httpStatus: 500
        percent: 100
  - fault:
      abort:
        httpStatus: 501
        percent: 100
`,
			want: `
# Imported from virtual.yaml, VirtualService shop.

fault {
	point shop-abort
	rule http1 {
		match path /b*
		respond 500 {
			content_type text/plain
			body "fault filter abort"
		}
	}

	# Left out: http[2]: http[0] decides first and cannot be said.
	# rule http2 {
	# 	respond 501 {
	# 		content_type text/plain
	# 		body "fault filter abort"
	# 	}
	# }
}
`,
			notes: `
virtual.yaml:7: spec.http[0].match[0].sourceLabels: left out: sourceLabels app=web is not a property of a request here
virtual.yaml:20: spec.http[2].fault.abort: left out: http[0] decides first and cannot be said
`,
		},
		{
			name: "A route after one for all requests is never reached.",
			file: "virtual.yaml",
			source: `
kind: VirtualService
metadata:
  name: shop
spec:
  http:
  - name: first
    fault:
      abort:
        httpStatus: 500
        percent: 50
  - name: second
    fault:
      abort:
        httpStatus: 501
        percent: 50
`,
			want: `
# Imported from virtual.yaml, VirtualService shop.

fault {
	point shop-abort
	rule first {
		percent 50
		respond 500 {
			content_type text/plain
			body "fault filter abort"
		}
	}
}
`,
			notes: `
virtual.yaml:13: spec.http[1].fault.abort: remark: http[1] second is never reached: http[0] first matches every request
`,
		},
		{
			name: "Routes with separate paths need no choose.",
			file: "virtual.yaml",
			source: `
kind: VirtualService
metadata:
  name: shop
spec:
  http:
  - name: a
    match:
    - uri:
        prefix: /a
    timeout: 5s
    retries: {attempts: 3}
    fault:
      delay:
        fixedDelay: 2s
        percent: 20
      abort:
        httpStatus: 500
        percent: 30
  - name: b
    match:
    - uri:
        prefix: /b
    fault:
      abort:
        httpStatus: 502
        percent: 40
`,
			want: `
# Imported from virtual.yaml, VirtualService shop.

# Each kind of fault is a separate draw, so it is a separate point.
fault {
	point shop-delay
	rule a {
		match path /a*
		percent 20
		delay 2s
	}
}
fault {
	point shop-abort
	rule a {
		match path /a*
		percent 30
		respond 500 {
			content_type text/plain
			body "fault filter abort"
		}
	}
	rule b {
		match path /b*
		percent 40
		respond 502 {
			content_type text/plain
			body "fault filter abort"
		}
	}
}
`,
			notes: `
virtual.yaml:10: spec.http[0].timeout: remark: timeout does not apply to the fault, as in Istio
virtual.yaml:11: spec.http[0].retries: remark: retries does not apply to the fault, as in Istio
`,
		},
		{
			name: "Unknown fields are told with the nearest name.",
			file: "virtual.yaml",
			source: `
kind: VirtualService
metadata:
  name: shop
spec:
  http:
  - fualt: {}
    match:
    - url: {exact: /a}
    fault:
      abort: {httpStatus: 500, percent: 100, body: x}
`,
			want: `
# Imported from virtual.yaml, VirtualService shop.

fault {
	point shop-http0
	respond 500 {
		content_type text/plain
		body "fault filter abort"
	}
}
`,
			notes: `
virtual.yaml:6: spec.http[0].fualt: left out: the field fualt is not known; did you mean fault?
virtual.yaml:8: spec.http[0].match[0].url: left out: the field url is not known; did you mean uri?
virtual.yaml:10: spec.http[0].fault.abort.body: left out: the field body is not known
`,
		},
		{
			name: "A fault of the wrong type is skipped.",
			file: "virtual.yaml",
			source: `
kind: VirtualService
metadata:
  name: shop
spec:
  http:
  - fault: 5
`,
			want: "error: the files have no fault",
			notes: `
virtual.yaml:6: spec.http[0].fault: left out: want an object, got a number
`,
		},
		{
			name: "A match of the wrong type is left out.",
			file: "virtual.yaml",
			source: `
kind: VirtualService
metadata:
  name: shop
spec:
  http:
  - match: everything
    fault:
      abort: {httpStatus: 500, percent: 100}
`,
			want: `
# Imported from virtual.yaml, VirtualService shop.

# Left out: http[0]: want a list, got a text.
# fault {
# 	point shop-http0
# 	respond 500 {
# 		content_type text/plain
# 		body "fault filter abort"
# 	}
# }
`,
			notes: `
virtual.yaml:6: spec.http[0].match: left out: want a list, got a text
`,
		},
		{
			name: "Anchors and merge keys are read.",
			file: "virtual.yaml",
			source: `
defaults: &defaults
  abort: &abort
    httpStatus: 503
    percent: 10
kind: VirtualService
metadata: {name: "trigger"}
spec:
  http:
  - fault:
      <<: *defaults
  - match: [{uri: {exact: /a}}]
    fault: {abort: *abort}
`,
			want: `
# Imported from virtual.yaml, VirtualService trigger.

fault {
	point trigger-abort
	rule http0 {
		percent 10
		respond 503 {
			content_type text/plain
			body "fault filter abort"
		}
	}
}
`,
			notes: `
virtual.yaml:12: spec.http[1].fault.abort: remark: http[1] is never reached: http[0] matches every request
`,
		},
		{
			name: "Several objects of a file, and a list of objects.",
			file: "virtual.yaml",
			source: `
apiVersion: v1
kind: List
items:
- apiVersion: networking.istio.io/v1
  kind: VirtualService
  metadata: {name: cart}
  spec:
    hosts: [a.example, b.example]
    http:
    - fault: {abort: {httpStatus: 500, percent: 1}}
- apiVersion: v1
  kind: Service
  metadata: {name: cart}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: cart}
spec:
  http:
  - fault: {abort: {httpStatus: 501, percent: 2}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: quiet}
spec:
  http:
  - route: []
`,
			want: `
# Imported from virtual.yaml, VirtualService cart.
# It is for the sites a.example, b.example.

fault {
	point cart-http0
	percent 1
	respond 500 {
		content_type text/plain
		body "fault filter abort"
	}
}

# Imported from virtual.yaml, VirtualService cart.

fault {
	point cart-http0-2
	percent 2
	respond 501 {
		content_type text/plain
		body "fault filter abort"
	}
}
`,
			notes: `
virtual.yaml:8: spec.hosts: elsewhere: It is for the sites a.example, b.example.
virtual.yaml:22: file: skipped: the VirtualService quiet has no fault
`,
		},
		{
			name: "Six services, each with an abort.",
			file: "virtual.yaml",
			source: `
kind: VirtualService
metadata:
  name: shop
spec:
  http:
  - name: cart
    match:
    - uri:
        prefix: /cart/
      method:
        exact: GET
    fault:
      abort:
        percentage:
          value: 10
        httpStatus: 500
    route:
    - destination:
        host: cart
  - name: orders
    match:
    - uri:
        prefix: /orders/
      method:
        exact: POST
    fault:
      abort:
        percentage:
          value: 20
        httpStatus: 502
    route:
    - destination:
        host: orders
  - name: search
    match:
    - uri:
        prefix: /search/
      method:
        exact: GET
    fault:
      abort:
        percentage:
          value: 30
        httpStatus: 503
    route:
    - destination:
        host: search
  - name: login
    match:
    - uri:
        prefix: /login/
      method:
        exact: PUT
    fault:
      abort:
        percentage:
          value: 40
        httpStatus: 504
    route:
    - destination:
        host: login
  - name: users
    match:
    - uri:
        prefix: /users/
      method:
        exact: DELETE
    fault:
      abort:
        percentage:
          value: 50
        httpStatus: 507
    route:
    - destination:
        host: users
  - name: pay
    match:
    - uri:
        prefix: /pay/
      method:
        exact: PATCH
    fault:
      abort:
        percentage:
          value: 60
        httpStatus: 511
    route:
    - destination:
        host: pay
`,
			want: `
# Imported from virtual.yaml, VirtualService shop.

fault {
	point shop-abort
	rule cart {
		match {
			method GET
			path /cart/*
		}
		percent 10
		respond 500 {
			content_type text/plain
			body "fault filter abort"
		}
	}
	rule orders {
		match {
			method POST
			path /orders/*
		}
		percent 20
		respond 502 {
			content_type text/plain
			body "fault filter abort"
		}
	}
	rule search {
		match {
			method GET
			path /search/*
		}
		percent 30
		respond 503 {
			content_type text/plain
			body "fault filter abort"
		}
	}
	rule login {
		match {
			method PUT
			path /login/*
		}
		percent 40
		respond 504 {
			content_type text/plain
			body "fault filter abort"
		}
	}
	rule users {
		match {
			method DELETE
			path /users/*
		}
		percent 50
		respond 507 {
			content_type text/plain
			body "fault filter abort"
		}
	}
	rule pay {
		match {
			method PATCH
			path /pay/*
		}
		percent 60
		respond 511 {
			content_type text/plain
			body "fault filter abort"
		}
	}
}
`,
			notes: "",
		},
		{
			name: "Six services, each with a delay.",
			file: "virtual.yaml",
			source: `
kind: VirtualService
metadata:
  name: shop
spec:
  http:
  - name: cart
    match:
    - uri:
        prefix: /cart/
      method:
        exact: GET
    fault:
      delay:
        percentage:
          value: 10
        fixedDelay: 500ms
    route:
    - destination:
        host: cart
  - name: orders
    match:
    - uri:
        prefix: /orders/
      method:
        exact: POST
    fault:
      delay:
        percentage:
          value: 20
        fixedDelay: 502ms
    route:
    - destination:
        host: orders
  - name: search
    match:
    - uri:
        prefix: /search/
      method:
        exact: GET
    fault:
      delay:
        percentage:
          value: 30
        fixedDelay: 503ms
    route:
    - destination:
        host: search
  - name: login
    match:
    - uri:
        prefix: /login/
      method:
        exact: PUT
    fault:
      delay:
        percentage:
          value: 40
        fixedDelay: 504ms
    route:
    - destination:
        host: login
  - name: users
    match:
    - uri:
        prefix: /users/
      method:
        exact: DELETE
    fault:
      delay:
        percentage:
          value: 50
        fixedDelay: 507ms
    route:
    - destination:
        host: users
  - name: pay
    match:
    - uri:
        prefix: /pay/
      method:
        exact: PATCH
    fault:
      delay:
        percentage:
          value: 60
        fixedDelay: 511ms
    route:
    - destination:
        host: pay
`,
			want: `
# Imported from virtual.yaml, VirtualService shop.

fault {
	point shop-delay
	rule cart {
		match {
			method GET
			path /cart/*
		}
		percent 10
		delay 500ms
	}
	rule orders {
		match {
			method POST
			path /orders/*
		}
		percent 20
		delay 502ms
	}
	rule search {
		match {
			method GET
			path /search/*
		}
		percent 30
		delay 503ms
	}
	rule login {
		match {
			method PUT
			path /login/*
		}
		percent 40
		delay 504ms
	}
	rule users {
		match {
			method DELETE
			path /users/*
		}
		percent 50
		delay 507ms
	}
	rule pay {
		match {
			method PATCH
			path /pay/*
		}
		percent 60
		delay 511ms
	}
}
`,
			notes: "",
		},
		{
			name: "Four services, each with a delay and a code of gRPC.",
			file: "virtual.yaml",
			source: `
kind: VirtualService
metadata:
  name: shop
spec:
  http:
  - name: cart
    match:
    - uri:
        prefix: /cart/
      method:
        exact: GET
    fault:
      delay:
        percentage:
          value: 10
        fixedDelay: 500ms
      abort:
        percent: 5
        grpcStatus: RESOURCE_EXHAUSTED
    route:
    - destination:
        host: cart
  - name: orders
    match:
    - uri:
        prefix: /orders/
      method:
        exact: POST
    fault:
      delay:
        percentage:
          value: 20
        fixedDelay: 502ms
      abort:
        percent: 5
        grpcStatus: RESOURCE_EXHAUSTED
    route:
    - destination:
        host: orders
  - name: search
    match:
    - uri:
        prefix: /search/
      method:
        exact: GET
    fault:
      delay:
        percentage:
          value: 30
        fixedDelay: 503ms
      abort:
        percent: 5
        grpcStatus: RESOURCE_EXHAUSTED
    route:
    - destination:
        host: search
  - name: login
    match:
    - uri:
        prefix: /login/
      method:
        exact: PUT
    fault:
      delay:
        percentage:
          value: 40
        fixedDelay: 504ms
      abort:
        percent: 5
        grpcStatus: RESOURCE_EXHAUSTED
    route:
    - destination:
        host: login
`,
			want: `
# Imported from virtual.yaml, VirtualService shop.

# Each kind of fault is a separate draw, so it is a separate point.
fault {
	point shop-delay
	rule cart {
		match {
			method GET
			path /cart/*
		}
		percent 10
		delay 500ms
	}
	rule orders {
		match {
			method POST
			path /orders/*
		}
		percent 20
		delay 502ms
	}
	rule search {
		match {
			method GET
			path /search/*
		}
		percent 30
		delay 503ms
	}
	rule login {
		match {
			method PUT
			path /login/*
		}
		percent 40
		delay 504ms
	}
}
fault {
	point shop-abort
	rule cart {
		match {
			method GET
			path /cart/*
		}
		percent 5
		grpc RESOURCE_EXHAUSTED "fault filter abort"
	}
	rule orders {
		match {
			method POST
			path /orders/*
		}
		percent 5
		grpc RESOURCE_EXHAUSTED "fault filter abort"
	}
	rule search {
		match {
			method GET
			path /search/*
		}
		percent 5
		grpc RESOURCE_EXHAUSTED "fault filter abort"
	}
	rule login {
		match {
			method PUT
			path /login/*
		}
		percent 5
		grpc RESOURCE_EXHAUSTED "fault filter abort"
	}
}
`,
			notes: "",
		},
		{
			name: "Users that may overlap, each with a share.",
			file: "virtual.yaml",
			source: `
kind: VirtualService
metadata:
  name: shop
spec:
  http:
  - match:
    - headers:
        x-user:
          exact: ann
    fault:
      abort:
        httpStatus: 500
        percent: 10
  - match:
    - headers:
        x-user:
          exact: bob
    fault:
      abort:
        httpStatus: 500
        percent: 20
  - match:
    - headers:
        x-user:
          exact: eve
    fault:
      abort:
        httpStatus: 500
        percent: 30
  - match:
    - headers:
        x-user:
          exact: dan
    fault:
      abort:
        httpStatus: 500
        percent: 40
  - fault:
      abort:
        httpStatus: 503
        percent: 1
`,
			want: `
# Imported from virtual.yaml, VirtualService shop.

# The first route that matches decides, so each is a rule that takes all of the draw.
fault {
	point shop-abort
	rule http0 {
		match header X-User ann
		choose {
			10 respond 500 {
				content_type text/plain
				body "fault filter abort"
			}
			90 pass
		}
	}
	rule http1 {
		match header X-User bob
		choose {
			20 respond 500 {
				content_type text/plain
				body "fault filter abort"
			}
			80 pass
		}
	}
	rule http2 {
		match header X-User eve
		choose {
			30 respond 500 {
				content_type text/plain
				body "fault filter abort"
			}
			70 pass
		}
	}
	rule http3 {
		match header X-User dan
		choose {
			40 respond 500 {
				content_type text/plain
				body "fault filter abort"
			}
			60 pass
		}
	}
	rule http4 {
		percent 1
		respond 503 {
			content_type text/plain
			body "fault filter abort"
		}
	}
}
`,
			notes: "",
		},
	})
}
