package faulttest_test

import (
	"os"
	"strings"
	"testing"
)

// The page of the manual shows the test in sample_test.go as it is.
func TestPage(t *testing.T) {
	page, err := os.ReadFile("../docs/howto/test-go-clients.md")
	if err != nil {
		t.Fatal(err)
	}
	sample, err := os.ReadFile("sample_test.go")
	if err != nil {
		t.Fatal(err)
	}
	want := strings.ReplaceAll(strings.TrimPrefix(string(sample), "package faulttest_test\n"), "\t", "    ")
	if !strings.Contains(strings.ReplaceAll(string(page), "\t", "    "), "```go\npackage shop\n"+want+"```\n") {
		t.Error("the page has another test than sample_test.go: copy it, with `package shop`")
	}
}
