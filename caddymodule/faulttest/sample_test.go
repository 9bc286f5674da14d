package faulttest_test

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/faulttest"
)

// order is the code under test. It repeats an order after the time in Retry-After.
func order(ctx context.Context, client *http.Client, shop string) error {
	for range 3 {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, shop+"/orders", http.NoBody)
		if err != nil {
			return err
		}
		r.Header.Set("Idempotency-Key", "order-7")
		resp, err := client.Do(r)
		if err != nil {
			return err
		}
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusCreated {
			return nil
		}
		seconds, err := strconv.Atoi(resp.Header.Get("Retry-After"))
		if err != nil {
			return fmt.Errorf("the shop replies with %s", resp.Status)
		}
		select {
		case <-time.After(time.Duration(seconds) * time.Second):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return fmt.Errorf("no order after three attempts")
}

// TestOrderRetries tests that an order succeeds after one 503, and that the client waits
// as long as the reply asks.
func TestOrderRetries(t *testing.T) {
	shop := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated) })
	point := faulttest.Start(t, faulttest.Upstream(shop))
	busy := point.Fault(t, "match path /orders; times 1; respond 503; retry_after 1s")

	if err := order(t.Context(), point.Client(), point.URL); err != nil {
		t.Error(err)
	}

	busy.Hits(t, faulttest.Exactly(1))
	point.Clients(t, faulttest.Recovered(), faulttest.NoFinding("retry_after_ignored"))
}
