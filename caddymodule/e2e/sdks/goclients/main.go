// Goclients has the HTTP clients for Go that CI compiles.
package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/go-resty/resty/v2"
	"github.com/hashicorp/go-retryablehttp"

	"github.com/caddyfault/caddyfault/caddymodule/e2e/sdks/internal/calls"
)

func main() {
	calls.Main(
		calls.Client{Name: "net-http", Title: "Go %s `net/http`", Send: netHTTP},
		calls.Client{Name: "go-retryablehttp", Title: "go-retryablehttp %s", Module: "github.com/hashicorp/go-retryablehttp", Send: retryable},
		calls.Client{Name: "backoff", Title: "backoff %s, as in its README", Module: "github.com/cenkalti/backoff/v5", Send: backedOff},
		calls.Client{Name: "resty", Title: "resty %s, `SetRetryCount(3)`", Module: "github.com/go-resty/resty/v2", Send: rested},
	)
}

func newRequest(ctx context.Context, method, url string) (*http.Request, error) {
	body := io.Reader(http.NoBody)
	if method == http.MethodPost {
		body = strings.NewReader(calls.Order)
	}
	r, err := http.NewRequestWithContext(ctx, method, url, body)
	if err == nil && method == http.MethodPost {
		r.Header.Set("Content-Type", "application/json")
	}
	return r, err
}

// read reads a reply, so that a body that is cut is noticed.
func read(reply *http.Response) error {
	_, err := io.Copy(io.Discard, reply.Body)
	if err == nil && reply.StatusCode >= 400 {
		err = errors.New(reply.Status)
	}
	return errors.Join(err, reply.Body.Close())
}

func netHTTP(ctx context.Context, method, url string) error {
	r, err := newRequest(ctx, method, url)
	if err != nil {
		return err
	}
	reply, err := calls.HTTP().Do(r)
	if err != nil {
		return err
	}
	return read(reply)
}

func retryable(ctx context.Context, method, url string) error {
	client := retryablehttp.NewClient()
	client.HTTPClient.Timeout = calls.Timeout
	client.Logger = nil
	r, err := newRequest(ctx, method, url)
	if err != nil {
		return err
	}
	again, err := retryablehttp.FromRequest(r)
	if err != nil {
		return err
	}
	reply, err := client.Do(again)
	if err != nil {
		return err
	}
	return read(reply)
}

// backedOff follows the example in backoff's README: 400 is permanent, and 429 waits for
// Retry-After.
func backedOff(ctx context.Context, method, url string) error {
	client := calls.HTTP()
	_, err := backoff.Retry(ctx, func() (string, error) {
		r, err := newRequest(ctx, method, url)
		if err != nil {
			return "", backoff.Permanent(err)
		}
		reply, err := client.Do(r)
		if err != nil {
			return "", err
		}
		err = read(reply)
		switch reply.StatusCode {
		case http.StatusBadRequest:
			return "", backoff.Permanent(err)
		case http.StatusTooManyRequests:
			if after, parsed := time.ParseDuration(reply.Header.Get("Retry-After") + "s"); parsed == nil {
				return "", backoff.RetryAfter(int(after.Seconds()))
			}
		}
		return "", err
	}, backoff.WithBackOff(backoff.NewExponentialBackOff()))
	return err
}

func rested(ctx context.Context, method, url string) error {
	r := resty.New().SetTimeout(calls.Timeout).SetRetryCount(3).R().SetContext(ctx)
	if method == http.MethodPost {
		r.SetHeader("Content-Type", "application/json").SetBody(calls.Order)
	}
	reply, err := r.Execute(method, url)
	if err == nil && reply.IsError() {
		err = errors.New(reply.Status())
	}
	return err
}
