package text

import "testing"

func TestIsJSON(t *testing.T) {
	for _, tt := range []struct {
		values []string
		want   bool
	}{
		{[]string{"application/json"}, true},
		{[]string{"Application/JSON ; charset=utf-8"}, true},
		{[]string{"application/problem+json"}, true},
		{[]string{"application/vnd.api+json; version=1"}, true},
		{[]string{"application/json", "text/html"}, false},
		{[]string{"text/html", "application/vnd.a+json"}, false},
		{[]string{"application/grpc+json"}, false},
		{[]string{"application/grpc-web+json"}, false},
		{[]string{"application/x-ndjson"}, false},
		{[]string{"text/json"}, false},
		{[]string{""}, false},
		{nil, false},
	} {
		if got := IsJSON(tt.values); got != tt.want {
			t.Errorf("%q: got %v, want %v", tt.values, got, tt.want)
		}
	}
}
