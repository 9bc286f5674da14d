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

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyfault/caddyfault/caddymodule/api"
)

// adminClient talks to the API of a running Caddy. Caddy's own AdminAPIRequest
// makes one text of every refusal, and has no end when Caddy hangs.
type adminClient struct {
	address  string // as it was given
	origin   string // the URL before the path
	unix     bool
	patience time.Duration
	http     http.Client
}

// defaultPatience is how long Caddy may take to answer.
const defaultPatience = 30 * time.Second

// newAdminClient is a client for an admin address as Caddy writes it, such as
// localhost:2019 or unix//run/caddy.sock.
func newAdminClient(address string) (*adminClient, error) {
	plain, isURL := strings.CutPrefix(address, "http://") // people copy it from a browser
	if isURL {
		plain = strings.TrimSuffix(plain, "/")
	}
	at, err := caddy.ParseNetworkAddress(plain)
	if err != nil || at.PortRangeSize() > 1 || strings.Contains(plain, "://") || isURL && strings.Contains(plain, "/") {
		return nil, fmt.Errorf("bad admin address '%s': want one such as localhost:2019 or unix//run/caddy.sock", address)
	}
	if at.StartPort == 0 && !at.IsUnixNetwork() {
		return nil, fmt.Errorf("the admin address '%s' has no port: --address %s:2019", address, plain)
	}
	target := at.JoinHostPort(0)
	c := &adminClient{address: address, origin: "http://" + target, unix: at.IsUnixNetwork(), patience: defaultPatience}
	if c.unix {
		target, _, _ = strings.Cut(at.Host, "|") // the permissions are the listener's
		c.origin = "http://127.0.0.1"            // for the Host field, which Go wants
	}
	c.http.Transport = &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, at.Network, target)
		},
	}
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c, nil
}

// unreachableError says that the fault API of no Caddy answers, and why.
type unreachableError struct {
	address string
	err     error
	heard   bool // a Caddy may have got what was asked, and may do it
}

func (e *unreachableError) Error() string {
	text := fmt.Sprintf("no Caddy answers at %s: %v", e.address, e.err)
	if failed, ok := errors.AsType[*net.OpError](e.err); ok && failed.Op == "dial" {
		text += "; start Caddy, or give its admin address, as in --address localhost:2019"
	}
	return text
}

func (e *unreachableError) Unwrap() error { return e.err }

// do asks the API and reads the answer. A refusal is an *apiError.
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

// send asks the API; the answer is one of its own, and no refusal.
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
	if !c.unix {
		r.Header.Set("Origin", c.origin) // for enforce_origin; on a socket no origin is allowed
	}
	resp, err := c.http.Do(r)
	if err != nil {
		if failed, ok := errors.AsType[*url.Error](err); ok {
			err = failed.Err // the URL is ours, and nothing to whoever reads it
		}
		return nil, &unreachableError{c.address, err, heard}
	}
	if err := c.check(resp); err != nil {
		_ = resp.Body.Close() // it has been read
		return nil, err
	}
	return resp, nil
}

// check tells the answers of the API, and its refusals, from those of others.
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
	if resp.StatusCode == http.StatusNotFound && string(body) == "404 page not found\n" { // of its admin endpoint's mux
		return fmt.Errorf("Caddy at %s was built without the fault module", c.address) //nolint:staticcheck // it is a name
	}
	between := resp.StatusCode >= 500 // such as the 504 of a proxy before it
	return &unreachableError{c.address, fmt.Errorf("%s is not from its admin endpoint", strings.TrimSpace(resp.Status+" "+kind)), between}
}

// withOrigins adds to a refusal of the admin endpoint, which is not the API's, the line
// that allows this client.
func (c *adminClient) withOrigins(no *api.Error) error {
	if no.Status != http.StatusForbidden || !strings.Contains(no.Message, "not allowed") {
		return no
	}
	_, host, _ := strings.Cut(c.origin, "://")
	return fmt.Errorf("%w; add the line 'origins %s' to the block of the global option 'admin' in the Caddyfile, or \"origins\": [\"%[2]s\"] to \"admin\" in JSON", no, host)
}

// How long, and how often, a Caddy that has been there is asked again: a reload
// closes the admin endpoint for a moment, a restart for longer, and a storage
// that is shared may be out of reach.
const (
	comeBack      = 15 * time.Second
	comeBackEvery = 200 * time.Millisecond
)

// persist calls f until Caddy has an answer that lasts, but not for ever.
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

// passing reports whether an error may be gone in a moment.
func passing(err error) bool {
	_, away := errors.AsType[*unreachableError](err)
	return away || unavailable(err) || errors.Is(err, errNotYet)
}

// errNotYet says that what was asked for without an answer is not done, or not
// yet.
var errNotYet = errors.New("it is not there yet")

// unanswered reports whether a Caddy may do, or have done, what it was asked for,
// although there is no answer.
func unanswered(err error) bool {
	away, ok := errors.AsType[*unreachableError](err)
	return ok && away.heard
}

// unavailable reports whether the error is an answer of Caddy's that asks to come
// again.
func unavailable(err error) bool {
	no, refused := errors.AsType[*api.Error](err)
	return refused && no.Status == http.StatusServiceUnavailable
}
