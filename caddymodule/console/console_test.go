package console

import (
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strings"
	"testing"
)

func TestServe(t *testing.T) {
	for name, f := range byName {
		w := httptest.NewRecorder()
		Serve(w, httptest.NewRequest(http.MethodGet, "/"+name, nil), name)
		if w.Code != http.StatusOK || w.Body.String() != string(f.content) || w.Header().Get("Content-Type") == "" {
			t.Errorf("%s: got %d, %d bytes of type %q", name, w.Code, w.Body.Len(), w.Header().Get("Content-Type"))
		}
		again := httptest.NewRequest(http.MethodGet, "/"+name, nil)
		again.Header.Set("If-None-Match", w.Header().Get("ETag"))
		w = httptest.NewRecorder()
		if Serve(w, again, name); w.Code != http.StatusNotModified {
			t.Errorf("%s: got %d for a valid copy, want 304", name, w.Code)
		}
	}
	for name, want := range map[string]bool{"": true, "index.html": true, "app.js": true, "console.go": false, "..": false, "test": false} {
		if Has(name) != want {
			t.Errorf("has %q: got %t, want %t", name, Has(name), want)
		}
	}
}

// Every file that the page names exists, and every file is named.
func TestFilesAreUsed(t *testing.T) {
	named := map[string]bool{page: true}
	reference := regexp.MustCompile(`(?:href="|src="|from "\./)([a-z]+\.(?:js|css))"`)
	for name, f := range byName {
		for _, found := range reference.FindAllSubmatch(f.content, -1) {
			named[string(found[1])] = true
			if !Has(string(found[1])) {
				t.Errorf("%s names %s, which does not exist", name, found[1])
			}
		}
	}
	for name := range byName {
		if !named[name] {
			t.Errorf("nothing names %s", name)
		}
	}
}

// No text can become markup or code, and the page requests nothing from elsewhere.
func TestNothingUnsafe(t *testing.T) {
	unsafe := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|\beval\(|new Function|javascript:`)
	inline := regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+="|<script[^>]*>[^<]`)
	elsewhere := regexp.MustCompile(`(?:src|href|from|import|fetch)\W{1,3}(?:https?:)?//|url\([^#]|@import`)
	// A browser asks for the manual only if the user follows the link.
	manual := `href="https://github.com/caddyfault/caddyfault/blob/main/caddymodule/docs/README.md"`
	for name, f := range byName {
		content := strings.Replace(string(f.content), manual, "", 1)
		for _, bad := range []*regexp.Regexp{unsafe, elsewhere} {
			if found := bad.FindString(content); found != "" {
				t.Errorf("%s has %q", name, found)
			}
		}
		if found := inline.FindString(content); path.Ext(name) == ".html" && found != "" {
			t.Errorf("%s has %q, which the policy forbids", name, found)
		}
	}
}

func TestPolicy(t *testing.T) {
	h := make(http.Header)
	Protect(h)
	for _, want := range []string{
		"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "img-src 'self' data:",
		"base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
	} {
		if got := h.Get("Content-Security-Policy"); !strings.Contains(got+";", want+";") {
			t.Errorf("got the policy %q, want %s in it", got, want)
		}
	}
}
