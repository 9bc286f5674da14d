// Package console is the web page of the fault injector. It shows the injected faults
// and the rules that inject them, and has a button that halts all faults. The page is
// plain HTML, CSS and ECMAScript modules, which are embedded unchanged. It sends no
// request to another origin. It calls the API at the relative path fault/. The handler
// serves the page and the API, and decides who may use them.
//
// The package depends on package api as an http.Handler, which it creates for a
// control. It must not depend on points, rules or kinds of fault.
package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"path"
	"time"
)

//go:embed index.html style.css *.js
var files embed.FS

// page is the file that is served for the folder.
const page = "index.html"

// A file is a file of the page. A browser uses the tag to check whether its copy is
// still valid.
type file struct {
	content []byte
	etag    string
}

var byName = load()

func load() map[string]file {
	entries, err := files.ReadDir(".")
	if err != nil {
		panic(err) // cannot fail: the files are embedded
	}
	all := make(map[string]file, len(entries))
	for _, entry := range entries {
		content, err := files.ReadFile(entry.Name())
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(content)
		all[entry.Name()] = file{content, `"` + hex.EncodeToString(sum[:16]) + `"`}
	}
	return all
}

// types maps extensions to media types. The media types of the operating system may
// differ.
var types = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
}

// policy allows the page to load its own files and to call its own origin, and nothing
// else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Has reports whether the page has a file with this name. The empty name is the page
// itself.
func Has(name string) bool {
	_, ok := byName[name]
	return ok || name == ""
}

// Serve sends the file with this name, which must exist.
func Serve(w http.ResponseWriter, r *http.Request, name string) {
	if name == "" {
		name = page
	}
	f := byName[name]
	h := w.Header()
	h.Set("Content-Type", types[path.Ext(name)])
	h.Set("ETag", f.etag)
	h.Set("Cache-Control", "no-cache")
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(f.content))
}

// Protect sets the header fields that isolate the page from other origins.
func Protect(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}
