package e2e

import (
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
)

// retryUnavailable is the usual policy for retries.
const retryUnavailable = `{"methodConfig": [{"name": [{}], "retryPolicy": {
	"maxAttempts": 3, "initialBackoff": "0.01s", "maxBackoff": "0.01s", "backoffMultiplier": 1, "retryableStatusCodes": ["UNAVAILABLE"]}}]}`

// TestGRPCCodes checks what grpc-go reports for the ends of a stream and a connection,
// and when it repeats the call: once in any case, or by a policy for UNAVAILABLE. The table of
// howto/fail-grpc-calls.md says the same.
func TestGRPCCodes(t *testing.T) {
	type repeats int
	const (
		never repeats = iota
		byPolicy
		once // in any case
	)
	tests := []struct {
		fault   string
		code    codes.Code // if nothing is repeated
		repeats repeats
	}{
		{"reset", codes.Internal, never},
		{"reset INTERNAL_ERROR", codes.Internal, never},
		{"reset HTTP_1_1_REQUIRED", codes.Internal, never},
		{"reset CANCEL", codes.Canceled, never},
		{"reset ENHANCE_YOUR_CALM", codes.ResourceExhausted, never},
		{"reset INADEQUATE_SECURITY", codes.PermissionDenied, never},
		{"reset REFUSED_STREAM", codes.OK, once},
		{"close", codes.Internal, never},
		{"close connection", codes.Unavailable, byPolicy},
		{"reset connection", codes.Unavailable, byPolicy},
		{"close goaway ENHANCE_YOUR_CALM", codes.Unavailable, byPolicy},
		{"close goaway NO_ERROR", codes.Unavailable, byPolicy},
		{"close goaway", codes.OK, never},
	}
	options := []grpc.DialOption{never: grpc.WithDisableRetry(), byPolicy: grpc.WithDefaultServiceConfig(retryUnavailable)}
	for _, tt := range tests {
		for client, option := range options {
			t.Run(tt.fault+", "+[...]string{"no retries", "policy"}[client], func(t *testing.T) {
				up, _ := grpcServer(t)
				c := grpcSite("request", checkPath, "times 1\n"+tt.fault, up)
				c.wrapper = true
				want := tt.code
				if repeats(client) == byPolicy && tt.repeats == byPolicy || tt.repeats == once {
					want = codes.OK
				}
				_, err := start(t, c).grpcClientWith(t, option).Check(t.Context(), nil)
				wantStatus(t, err, want, "")
				if want == codes.OK {
					up.wantHits(t, 1)
				}
			})
		}
	}
}
