package e2e

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// The methods of the gRPC health service. Check is a unary call. Watch is a stream
// whose first message comes immediately.
const (
	checkPath = "/grpc.health.v1.Health/Check"
	watchPath = "/grpc.health.v1.Health/Watch"
)

// grpcServer starts a gRPC server, which is stopped at the end of the test.
func grpcServer(t *testing.T) (*upstream, *health.Server) {
	t.Helper()
	service := health.NewServer()
	return serveGRPC(t, service), service
}

// serveGRPC starts a gRPC server with a health service.
func serveGRPC(t *testing.T, service grpc_health_v1.HealthServer) *upstream {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	up := &upstream{addr: "h2c://" + ln.Addr().String(), hits: new(counter)}
	srv := grpc.NewServer(
		grpc.UnaryInterceptor(func(ctx context.Context, r any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
			up.hits.inc()
			return handle(ctx, r)
		}),
		grpc.StreamInterceptor(func(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
			up.hits.inc()
			return handle(srv, stream)
		}))
	grpc_health_v1.RegisterHealthServer(srv, service)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(ln)
	}()
	t.Cleanup(func() {
		srv.Stop()
		<-done
	})
	return up
}

// grpcClient speaks gRPC to a site with TLS. It does not retry.
func (s *site) grpcClient(t *testing.T) grpc_health_v1.HealthClient {
	t.Helper()
	return s.grpcClientWith(t, grpc.WithDisableRetry())
}

// grpcClientWith is grpcClient with another option for retries.
func (s *site) grpcClientWith(t *testing.T, retries grpc.DialOption) grpc_health_v1.HealthClient {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+host,
		grpc.WithTransportCredentials(credentials.NewTLS(clientTLS())),
		retries,
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", s.addr)
		}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return grpc_health_v1.NewHealthClient(conn)
}

// grpcSite has a fault on one of the methods.
func grpcSite(phase, path, fault string, up *upstream) config {
	return config{tls: true, site: "fault " + path + " {\nphase " + phase + "\n" + fault + "\n}\n" + up.proxy()}
}

func wantServing(t *testing.T, got *grpc_health_v1.HealthCheckResponse, err error) {
	t.Helper()
	if err != nil || got.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
		t.Errorf("got %v, error %v, want a healthy server", got, err)
	}
}

func wantStatus(t *testing.T, err error, code codes.Code, message string) {
	t.Helper()
	if got := status.Convert(err); got.Code() != code || !strings.Contains(got.Message(), message) {
		t.Errorf("got %v %q, want %v %q", got.Code(), got.Message(), code, message)
	}
}

// TestGRPC fails calls with the configured status. Calls of other methods on the same
// connection succeed.
func TestGRPC(t *testing.T) {
	tests := []struct {
		fault   string
		code    codes.Code
		message string
	}{
		{`grpc UNAVAILABLE "busy: 100%"`, codes.Unavailable, "busy: 100%"},
		{`grpc 16`, codes.Unauthenticated, ""},
		{`grpc RESOURCE_EXHAUSTED "zu viel für ✗ {http.request.host}"`, codes.ResourceExhausted, "zu viel für ✗ " + host},
		{"delay 1ms\ngrpc INTERNAL late", codes.Internal, "late"},
	}
	for _, tt := range tests {
		for _, phase := range phases {
			t.Run(oneLine(tt.fault)+", phase "+phase, func(t *testing.T) {
				up, _ := grpcServer(t)
				client := start(t, grpcSite(phase, checkPath, tt.fault, up)).grpcClient(t)
				_, err := client.Check(t.Context(), nil)
				wantStatus(t, err, tt.code, tt.message)
				if got := status.Convert(err).Message(); got != tt.message {
					t.Errorf("message: got %q, want %q", got, tt.message)
				}
				up.wantAsked(t, phase, 1)
				stream, err := client.Watch(t.Context(), nil)
				if err != nil {
					t.Fatal(err)
				}
				got, err := stream.Recv()
				wantServing(t, got, err)
			})
		}
	}
}

// TestGRPCStreams fails streaming calls. A message is 7 bytes on the wire: a prefix of
// five and one field.
func TestGRPCStreams(t *testing.T) {
	const some = 1000
	tests := []struct {
		fault    string
		messages int // messages before the end
		code     codes.Code
		text     string
	}{
		{"grpc UNAVAILABLE busy", 0, codes.Unavailable, "busy"},
		{"close", 0, codes.Internal, "INTERNAL_ERROR"},
		{"respond 503", 0, codes.Unavailable, "503"},
		{"stream 3 stop RESOURCE_EXHAUSTED quota", 2, codes.ResourceExhausted, "quota"},
		{"stream 3 stop", 2, codes.Internal, "INTERNAL_ERROR"},
		{"stream 3 stop clean", 2, codes.Internal, "without sending trailers"},
		{"stream {\n1 repeat 2\n2 stop UNAVAILABLE\n}", 3, codes.Unavailable, ""},
		{"stream 2 cut 6B", 1, codes.Internal, "INTERNAL_ERROR"},
		{"truncate 0B", 0, codes.Internal, "INTERNAL_ERROR"},
		{"truncate 7B", 1, codes.Internal, "INTERNAL_ERROR"},
		{"truncate 10B", 1, codes.Internal, "INTERNAL_ERROR"},
		{"truncate 7B clean", 1, codes.Internal, "without sending trailers"},
		{"hang 20ms {\nafter 14B\n}", 2, codes.Internal, "INTERNAL_ERROR"},
		{"delay 20ms\ntruncate {\nafter 50ms\n}", some, codes.Internal, "INTERNAL_ERROR"},
	}
	for _, tt := range tests {
		for _, phase := range phases {
			t.Run(oneLine(tt.fault)+", phase "+phase, func(t *testing.T) {
				up, service := grpcServer(t)
				client := start(t, grpcSite(phase, watchPath, tt.fault, up)).grpcClient(t)
				stream, err := client.Watch(t.Context(), nil)
				if err != nil {
					t.Fatal(err)
				}
				got, err := receiveAll(stream, service)
				if got != tt.messages && tt.messages != some || got == 0 && tt.messages > 0 {
					t.Errorf("got %d messages, want %d", got, tt.messages)
				}
				wantStatus(t, err, tt.code, tt.text)
			})
		}
	}
}

// receiveAll returns how many messages a stream has, and its end. Each message makes the
// service send the next one.
func receiveAll(stream grpc_health_v1.Health_WatchClient, service *health.Server) (n int, err error) {
	for {
		if _, err = stream.Recv(); err != nil {
			return n, err
		}
		n++
		service.SetServingStatus("", grpc_health_v1.HealthCheckResponse_ServingStatus(1+n%2))
	}
}

// TestGRPCDelay delays calls. Calls with a deadline fail.
func TestGRPCDelay(t *testing.T) {
	const delay = 30 * time.Millisecond
	for _, phase := range phases {
		up, _ := grpcServer(t)
		client := start(t, grpcSite(phase, checkPath, "delay 30ms", up)).grpcClient(t)
		began := time.Now()
		got, err := client.Check(t.Context(), nil)
		wantServing(t, got, err)
		wantTook(t, began, delay)
		ctx, cancel := context.WithTimeout(t.Context(), delay/3)
		_, err = client.Check(ctx, nil)
		cancel()
		wantStatus(t, err, codes.DeadlineExceeded, "")
	}
}

// TestGRPCPushback checks that a client with a retry policy waits as long as the reply
// says, whatever its own backoff is, and does not try again if the reply says so.
func TestGRPCPushback(t *testing.T) {
	const policy = `{"methodConfig": [{"name": [{}], "retryPolicy": {"maxAttempts": 3, "initialBackoff": "%s",
		"maxBackoff": "%[1]s", "backoffMultiplier": 1, "retryableStatusCodes": ["UNAVAILABLE"]}}]}`
	for _, phase := range phases {
		up, _ := grpcServer(t)
		call := func(fault, backoff string) (took time.Duration, err error) {
			s := start(t, grpcSite(phase, checkPath, "times 1\ngrpc UNAVAILABLE busy {\n"+fault+"\n}", up))
			client := s.grpcClientWith(t, grpc.WithDefaultServiceConfig(fmt.Sprintf(policy, backoff)))
			began := time.Now()
			_, err = client.Check(t.Context(), nil)
			return time.Since(began), err
		}
		if took, err := call("pushback 300ms", "0.001s"); err != nil || took < 300*time.Millisecond {
			t.Errorf("phase %s, 300ms: got %v after %v, want a second attempt after 300ms", phase, err, took)
		}
		if took, err := call("pushback 0s", "1000s"); err != nil || took > patience {
			t.Errorf("phase %s, 0s: got %v after %v, want a second attempt at once", phase, err, took)
		}
		_, err := call("pushback off", "0.001s")
		wantStatus(t, err, codes.Unavailable, "busy")
	}
}

// TestGRPCRetryInfo checks the detail that a client gets.
func TestGRPCRetryInfo(t *testing.T) {
	const want = "\x0a\x08\x08\x02\x10\x80\xca\xb5\xee\x01" // field 1: 2 seconds and 500,000,000 nanoseconds
	up, _ := grpcServer(t)
	client := start(t, grpcSite("request", checkPath, "grpc UNAVAILABLE `zu viel für ✗` {\nretry_info 2500ms\n}", up)).grpcClient(t)
	_, err := client.Check(t.Context(), nil)
	wantStatus(t, err, codes.Unavailable, "zu viel für ✗")
	details := status.Convert(err).Proto().GetDetails()
	if len(details) != 1 || details[0].GetTypeUrl() != "type.googleapis.com/google.rpc.RetryInfo" || string(details[0].GetValue()) != want {
		t.Errorf("got %v", details)
	}
}

// TestGRPCTrailers drops and sets the status of calls that succeed, after their message.
func TestGRPCTrailers(t *testing.T) {
	tests := []struct {
		fault   string
		code    codes.Code
		message string
	}{
		{"trailers drop", codes.Internal, "without sending trailers"},
		{"trailers drop Grpc-Status", codes.Unknown, ""},
		{"trailers {\nset Grpc-Status 14\nset Grpc-Message busy\n}", codes.Unavailable, "busy"},
		{"trailers set Grpc-Status abc", codes.Unknown, "malformed grpc-status"},
	}
	for _, tt := range tests {
		for _, phase := range phases {
			t.Run(oneLine(tt.fault)+", phase "+phase, func(t *testing.T) {
				up, _ := grpcServer(t)
				client := start(t, grpcSite(phase, checkPath, tt.fault, up)).grpcClient(t)
				_, err := client.Check(t.Context(), nil)
				wantStatus(t, err, tt.code, tt.message)
				up.wantHits(t, 1)
			})
		}
	}
}
