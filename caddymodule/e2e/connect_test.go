package e2e

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/grpc/health/grpc_health_v1"
)

type (
	healthRequest  = grpc_health_v1.HealthCheckRequest
	healthResponse = grpc_health_v1.HealthCheckResponse
)

// dialects are the protocols in which a Connect client makes a call. gRPC itself needs
// HTTP/2, including to the upstream.
var dialects = []struct {
	name    string
	http2   bool
	options []connect.ClientOption
}{
	{"gRPC", true, []connect.ClientOption{connect.WithGRPC()}},
	{"gRPC, JSON", true, []connect.ClientOption{connect.WithGRPC(), connect.WithProtoJSON()}},
	{"gRPC-Web", false, []connect.ClientOption{connect.WithGRPCWeb()}},
	{"gRPC-Web, JSON", false, []connect.ClientOption{connect.WithGRPCWeb(), connect.WithProtoJSON()}},
	{"Connect", false, nil},
	{"Connect, JSON", false, []connect.ClientOption{connect.WithProtoJSON()}},
	{"Connect, GET", false, []connect.ClientOption{connect.WithHTTPGet(), connect.WithIdempotency(connect.IdempotencyNoSideEffects)}},
}

// connectServer serves the methods of the health service in all dialects.
func connectServer(t *testing.T) *upstream {
	t.Helper()
	serving := &healthResponse{Status: grpc_health_v1.HealthCheckResponse_SERVING}
	mux := http.NewServeMux()
	mux.Handle(checkPath, connect.NewUnaryHandler(checkPath,
		func(context.Context, *connect.Request[healthRequest]) (*connect.Response[healthResponse], error) {
			return connect.NewResponse(serving), nil
		}, connect.WithIdempotency(connect.IdempotencyNoSideEffects)))
	mux.Handle(watchPath, connect.NewServerStreamHandler(watchPath,
		func(_ context.Context, _ *connect.Request[healthRequest], stream *connect.ServerStream[healthResponse]) error {
			return stream.Send(serving)
		}))
	return serve(t, mux.ServeHTTP)
}

// call makes a call and reports how it ended. With fail, the call requests the fault.
func (c *client) call(t *testing.T, path string, fail bool, options []connect.ClientOption) error {
	t.Helper()
	caller := connect.NewClient[healthRequest, healthResponse](c.Client, c.url(path), options...)
	r := connect.NewRequest(new(healthRequest))
	if fail {
		r.Header().Set("X-Fail", "1")
	}
	if path == checkPath {
		_, err := caller.CallUnary(t.Context(), r)
		return err
	}
	stream, err := caller.CallServerStream(t.Context(), r)
	if err != nil {
		return err
	}
	for stream.Receive() {
		continue
	}
	return errors.Join(stream.Err(), stream.Close())
}

// TestGRPCDialects fails calls of gRPC-Web and Connect clients. They get code,
// message and detail as from a server of their dialect, and the connection remains usable.
func TestGRPCDialects(t *testing.T) {
	const fault = "match header X-Fail 1\ngrpc RESOURCE_EXHAUSTED `zu viel \"für\" ✗ <b> 100% {http.request.host}` {\npushback 1s\nretry_info 2s\n}\n"
	const message = "zu viel \"für\" ✗ <b> 100% " + host
	up := connectServer(t)
	for place, directives := range map[string]string{
		"phase request":  "fault {\n" + fault + "}\n" + up.proxy(),
		"phase response": "fault {\nphase response\n" + fault + "}\n" + up.proxy(),
		"transport":      proxied(up.addr, "", fault),
	} {
		t.Run(place, func(t *testing.T) {
			everywhere(t, config{site: directives}, func(t *testing.T, c *client) {
				for _, dialect := range dialects {
					if dialect.http2 && c.proto != h2 {
						continue
					}
					for _, path := range []string{checkPath, watchPath} {
						err := c.call(t, path, true, dialect.options)
						got, ok := errors.AsType[*connect.Error](err)
						if !ok || got.Code() != connect.CodeResourceExhausted || got.Message() != message || !connect.IsWireError(err) {
							t.Errorf("%s, %s: got %v, want %q from the wire", dialect.name, path, err, message)
						}
						if ok && (len(got.Details()) != 1 || got.Details()[0].Type() != "google.rpc.RetryInfo") {
							t.Errorf("%s, %s: got details %v, want a RetryInfo", dialect.name, path, got.Details())
						}
						if dialect.http2 {
							continue
						}
						if err := c.call(t, path, false, dialect.options); err != nil {
							t.Errorf("%s, %s: without the fault got %v", dialect.name, path, err)
						}
					}
				}
				if got := c.dials.get(); got != 1 {
					t.Errorf("connections opened: got %d, want 1", got)
				}
			})
		})
	}
}

// TestStreamDialects ends streaming calls with a status after a message. A client that
// offers compression gets messages that a step can read.
func TestStreamDialects(t *testing.T) {
	up := connectServer(t)
	for _, phase := range phases {
		t.Run(phase, func(t *testing.T) {
			site := "fault {\nphase " + phase + "\nmatch header X-Fail 1\nstream end stop RESOURCE_EXHAUSTED `zu viel ✗`\n}\n" + up.proxy()
			everywhere(t, config{site: site}, func(t *testing.T, c *client) {
				for _, dialect := range dialects {
					if dialect.http2 {
						continue
					}
					err := c.call(t, watchPath, true, dialect.options)
					got, ok := errors.AsType[*connect.Error](err)
					if !ok || got.Code() != connect.CodeResourceExhausted || got.Message() != "zu viel ✗" || !connect.IsWireError(err) {
						t.Errorf("%s: got %v, want a status from the wire", dialect.name, err)
					}
					if err := c.call(t, watchPath, false, dialect.options); err != nil {
						t.Errorf("%s: without the fault got %v", dialect.name, err)
					}
				}
			})
		})
	}
}
