package importer

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

// large returns files of 10 MB as people have them.
func large() map[string]File {
	const size = 10 << 20
	var stubs, dump, routes bytes.Buffer
	body := strings.Repeat(`{"id": 17, "name": "a product", "tags": ["a", "b"]}, `, 30)
	stubs.WriteString(`{"mappings": [`)
	for i := 0; stubs.Len() < size; i++ {
		status := 200
		if i%10 == 0 {
			status = 503
		}
		fmt.Fprintf(&stubs, "{\"request\": {\"method\": \"GET\", \"urlPath\": \"/api/products/%d\"},\n \"response\": {\"status\": %d, \"jsonBody\": [%s 1]}},\n", i, status, body)
	}
	stubs.WriteString(`{"request": {"method": "GET", "urlPath": "/last"}, "response": {"fault": "EMPTY_RESPONSE"}}]}`)
	for i := 0; dump.Len() < size; i++ {
		fmt.Fprintf(&dump, "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: app-%d\n  labels:\n    app: app-%d\n    team: shop\nspec:\n  replicas: 3\n  template:\n    spec:\n", i, i)
		dump.WriteString("      containers:\n      - name: app\n        image: registry.example/app:1.2.3\n        env:\n" + strings.Repeat("        - name: SOME_VARIABLE\n          value: some value of it\n", 12) + "---\n")
		if i%20 == 0 {
			fmt.Fprintf(&dump, "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata:\n  name: app-%d\nspec:\n  hosts: [app-%d]\n  http:\n  - fault:\n      delay:\n        fixedDelay: 2s\n        percentage:\n          value: 50\n---\n", i, i)
		}
	}
	routes.WriteString("kind: VirtualService\nmetadata:\n  name: big\nspec:\n  http:\n")
	for i := 0; routes.Len() < size; i++ {
		fmt.Fprintf(&routes, "  - match:\n    - headers:\n        x-team:\n          exact: qa%d\n      uri:\n        exact: /a/%d\n    fault:\n      abort:\n        httpStatus: 503\n        percentage:\n          value: 50\n    route:\n    - destination:\n        host: cart\n", i, i)
	}
	return map[string]File{
		"wiremock":          {"stubs.json", stubs.Bytes()},
		"kubernetes":        {"dump.yaml", dump.Bytes()},
		"istio one service": {"routes.yaml", routes.Bytes()},
	}
}

// BenchmarkImport imports files of 10 MB. peak-MB is the heap at its largest.
func BenchmarkImport(b *testing.B) {
	for name, file := range large() {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(file.Data)))
			peak := watchHeap(b)
			for b.Loop() {
				if result, err := Import([]File{file}, Options{}); err != nil || result.Rules == 0 {
					b.Fatal(result.Rules, err)
				}
			}
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
