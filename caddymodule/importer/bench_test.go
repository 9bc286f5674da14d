//go:build unix

package importer

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
)

const largeSize = 10 << 20

// large are files of 10 MB as people have them.
var large = []struct {
	name string
	file func(b *bytes.Buffer) string // writes the file, and returns its name
}{
	{"wiremock", largeStubs},
	{"kubernetes", largeDump},
	{"istio one service", largeRoutes},
	{"envoy one listener", largeListener},
	{"envoy gateway", largePolicies},
}

func largeStubs(b *bytes.Buffer) string {
	body := strings.Repeat(`{"id": 17, "name": "a product", "tags": ["a", "b"]}, `, 30)
	b.WriteString(`{"mappings": [`)
	for i := 0; b.Len() < largeSize; i++ {
		status := 200
		if i%10 == 0 {
			status = 503
		}
		fmt.Fprintf(b, "{\"request\": {\"method\": \"GET\", \"urlPath\": \"/api/products/%d\"},\n \"response\": {\"status\": %d, \"jsonBody\": [%s 1]}},\n", i, status, body)
	}
	b.WriteString(`{"request": {"method": "GET", "urlPath": "/last"}, "response": {"fault": "EMPTY_RESPONSE"}}]}`)
	return "stubs.json"
}

func largeDump(b *bytes.Buffer) string {
	for i := 0; b.Len() < largeSize; i++ {
		fmt.Fprintf(b, "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: app-%d\n  labels:\n    app: app-%d\n    team: shop\nspec:\n  replicas: 3\n  template:\n    spec:\n", i, i)
		b.WriteString("      containers:\n      - name: app\n        image: registry.example/app:1.2.3\n        env:\n" + strings.Repeat("        - name: SOME_VARIABLE\n          value: some value of it\n", 12) + "---\n")
		if i%20 == 0 {
			fmt.Fprintf(b, "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata:\n  name: app-%d\nspec:\n  hosts: [app-%d]\n  http:\n  - fault:\n      delay:\n        fixedDelay: 2s\n        percentage:\n          value: 50\n---\n", i, i)
		}
	}
	return "dump.yaml"
}

func largeRoutes(b *bytes.Buffer) string {
	b.WriteString("kind: VirtualService\nmetadata:\n  name: big\nspec:\n  http:\n")
	for i := 0; b.Len() < largeSize; i++ {
		fmt.Fprintf(b, "  - match:\n    - headers:\n        x-team:\n          exact: qa%d\n      uri:\n        exact: /a/%d\n    fault:\n      abort:\n        httpStatus: 503\n        percentage:\n          value: 50\n    route:\n    - destination:\n        host: cart\n", i, i)
	}
	return "routes.yaml"
}

func largeListener(b *bytes.Buffer) string {
	b.WriteString("http_filters:\n- name: envoy.filters.http.fault\n  typed_config: {}\nroute_config:\n  virtual_hosts:\n  - name: v\n    domains: ['*']\n    routes:\n")
	for i := 0; b.Len() < largeSize; i++ {
		fmt.Fprintf(b, "    - match:\n        prefix: /a/%d\n      route:\n        cluster: c\n      typed_per_filter_config:\n        envoy.filters.http.fault:\n          \"@type\": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault\n          abort:\n            http_status: 503\n            percentage:\n              numerator: 10\n", i)
	}
	return "listener.yaml"
}

func largePolicies(b *bytes.Buffer) string {
	for i := 0; b.Len() < largeSize; i++ {
		fmt.Fprintf(b, "kind: BackendTrafficPolicy\nmetadata:\n  name: p%d\nspec:\n  targetRefs:\n  - kind: HTTPRoute\n    name: r%d\n  faultInjection:\n    abort:\n      httpStatus: 503\n---\n", i, i)
		fmt.Fprintf(b, "kind: HTTPRoute\nmetadata:\n  name: r%d\nspec:\n  parentRefs:\n  - name: eg\n  rules:\n  - matches:\n    - path:\n        value: /a/%d\n---\n", i, i)
	}
	return "policies.yaml"
}

// BenchmarkImport imports files of 10 MB. peak-MB is the heap at its largest, without
// what was there before. cpu-s is the CPU time, which the load of the machine changes
// less than the elapsed time.
func BenchmarkImport(b *testing.B) {
	for _, l := range large {
		b.Run(l.name, func(b *testing.B) {
			var text bytes.Buffer
			file := File{Name: l.file(&text), Data: text.Bytes()}
			b.SetBytes(int64(len(file.Data)))
			peak, before := watchHeap(b), testkit.CPUTime(b)
			for b.Loop() {
				if result, err := Import([]File{file}, Options{}); err != nil || result.Rules == 0 {
					b.Fatal(result.Rules, err)
				}
			}
			b.ReportMetric((testkit.CPUTime(b)-before).Seconds()/float64(b.N), "cpu-s")
			b.ReportMetric(float64(peak())/(1<<20), "peak-MB")
		})
	}
}

// watchHeap samples the heap until the result is called. It returns the largest value.
func watchHeap(b *testing.B) func() uint64 {
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	stop, result := make(chan struct{}), make(chan uint64)
	go func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for most := uint64(0); ; {
			select {
			case <-stop:
				result <- most - before.HeapAlloc
				return
			case <-tick.C:
				var now runtime.MemStats
				runtime.ReadMemStats(&now)
				most = max(most, now.HeapAlloc)
			}
		}
	}()
	b.ResetTimer()
	return func() uint64 { close(stop); return <-result }
}
