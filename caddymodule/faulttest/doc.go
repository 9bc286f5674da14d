// Package faulttest injects faults in Go tests. A test starts an injection point in front
// of its server, adds a fault in the one-line form, and asserts how often the fault has
// hit and what the client did:
//
//	func TestOrderRetries(t *testing.T) {
//		point := faulttest.Start(t, faulttest.Upstream(api))
//		busy := point.Fault(t, "match path /orders; times 2; respond 503")
//		client := shop.New(point.URL, point.Client())
//		if err := client.Order(t.Context(), 7); err != nil {
//			t.Fatal(err)
//		}
//		busy.Hits(t, faulttest.Exactly(2))
//		point.Clients(t, faulttest.NoFindings())
//	}
//
// Each point has its own Caddy inside the test process: a `fault` directive, a
// `reverse_proxy` and the listener wrapper. No program needs to be installed, and nothing
// outlives the test. Import the package only in tests.
package faulttest
