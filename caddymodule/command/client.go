package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/internal/version"
)

// adminClient calls the API of a running Caddy. Caddy's own AdminAPIRequest turns every
// refusal into text, and has no timeout.
type adminClient struct {
	address  string // as the user wrote it
	origin   string // the URL without the path
	unix     bool
	patience time.Duration
	http     http.Client
}

// defaultPatience is how long Caddy may take to reply.
const defaultPatience = 30 * time.Second

// unreachableError reports that no fault API replies at an address, and why.
type unreachableError struct {
	address string
	err     error
	heard   bool // Caddy may have received the request, and may do it
}

func (e *unreachableError) Error() string {
	text := fmt.Sprintf("no Caddy answers at %s: %v", e.address, e.err)
	if failed, ok := errors.AsType[*net.OpError](e.err); ok && failed.Op == "dial" {
		text += "; start Caddy, or give its admin address, as in --address localhost:2019"
	}
	return text
}

func (e *unreachableError) Unwrap() error { return e.err }

// do calls the API and returns the body of the reply. A refusal is an *api.Error.
func (c *adminClient) do(ctx context.Context, method, path string, body any, header http.Header) ([]byte, error) {
	resp, err := c.send(ctx, method, path, body, header)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, &unreachableError{c.address, err, true}
	}
	return data, nil
}

// send calls the API and returns the reply. A reply that is not from the API is an
// error, and so is a refusal.
func (c *adminClient) send(ctx context.Context, method, path string, body any, header http.Header) (*http.Response, error) {
	var content io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(data)
	}
	heard := false
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { heard = true }})
	r, err := http.NewRequestWithContext(ctx, method, c.origin+api.Prefix+path, content)
	if err != nil {
		return nil, err
	}
	if header != nil {
		r.Header = header
	}
	r.Header.Set("User-Agent", "caddy-fault/"+version.Version)
	if !c.unix {
		r.Header.Set("Origin", c.origin) // for enforce_origin; on a socket no origin is allowed
	}
	resp, err := c.http.Do(r)
	if err != nil {
		if failed, ok := errors.AsType[*url.Error](err); ok {
			err = failed.Err // the user did not write the URL
		}
		return nil, &unreachableError{c.address, err, heard}
	}
	if err := c.check(resp); err != nil {
		_ = resp.Body.Close() // the body has been read
		return nil, err
	}
	return resp, nil
}

// check returns an error if the API refuses the request, or if the reply is not from
// the API.
func (c *adminClient) check(resp *http.Response) error {
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	good := resp.StatusCode < 300
	if good && (resp.StatusCode == http.StatusNoContent || kind == "application/json" || kind == "text/event-stream") {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, api.MaxBody))
	if err != nil {
		return &unreachableError{c.address, err, true}
	}
	no := &api.Error{Status: resp.StatusCode}
	if !good && json.Unmarshal(body, no) == nil && no.Message != "" {
		return c.withOrigins(no)
	}
	if resp.StatusCode == http.StatusNotFound && string(body) == "404 page not found\n" { // the mux of Caddy's admin endpoint sends this
		return fmt.Errorf("Caddy at %s was built without the fault module", c.address) //nolint:staticcheck // a name
	}
	between := resp.StatusCode >= 500 // such as a 504 of a proxy in front of Caddy
	return &unreachableError{c.address, fmt.Errorf("the reply (%s) is not from an admin endpoint", strings.TrimSpace(resp.Status+" "+kind)), between}
}

// withOrigins adds the line that allows this client to a refusal of the admin endpoint.
// Such a refusal does not come from the API.
func (c *adminClient) withOrigins(no *api.Error) error {
	if no.Status != http.StatusForbidden || !strings.Contains(no.Message, "not allowed") {
		return no
	}
	_, host, _ := strings.Cut(c.origin, "://")
	if strings.HasPrefix(host, ":") {
		return fmt.Errorf("%w; the admin address '%s' has no host: write --address localhost%s", no, c.address, host)
	}
	return fmt.Errorf("%w; add the line 'origins %s' to the block of the global option 'admin' in the Caddyfile, or \"origins\": [\"%[2]s\"] to \"admin\" in JSON", no, host)
}

// These are how long and how often the client retries if Caddy was there before. A
// reload closes the admin endpoint for a moment, and a restart for longer. A shared
// storage may be out of reach.
const (
	comeBack      = 15 * time.Second
	comeBackEvery = 200 * time.Millisecond
)

// persist calls f until its error is not a passing one, or comeBack has elapsed.
func persist(ctx context.Context, f func() error) error {
	for until := time.Now().Add(comeBack); ; {
		err := f()
		if !passing(err) || time.Now().After(until) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(comeBackEvery):
		}
	}
}

// passing reports whether an error may disappear soon.
func passing(err error) bool {
	_, away := errors.AsType[*unreachableError](err)
	return away || unavailable(err) || errors.Is(err, errNotYet)
}

// errNotYet reports that Caddy has not done yet what an unanswered request asked for,
// and may never do it.
var errNotYet = errors.New("not there yet")

// unanswered reports whether Caddy may have received a request that has no reply. Caddy
// may do what the request asks for.
func unanswered(err error) bool {
	away, ok := errors.AsType[*unreachableError](err)
	return ok && away.heard
}

// unavailable reports whether Caddy has replied that the client should retry.
func unavailable(err error) bool {
	no, refused := errors.AsType[*api.Error](err)
	return refused && no.Status == http.StatusServiceUnavailable
}
