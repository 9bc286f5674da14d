// Package console is the page of the fault injector: what is being injected,
// by which rule, and one red button. It is plain HTML, CSS and ECMAScript
// modules, embedded as they are, and asks nothing of any other origin. The
// page calls the API at fault/, beside its own address. The handler serves both,
// and decides who may have them.
//
// It knows package api as an http.Handler, and asks the control for it. It must
// not know points, rules or kinds of fault.
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

// page is the file that stands for the folder.
const page = "index.html"

// A file of the page, and the tag by which a browser asks whether its copy is
// still good.
type file struct {
	content []byte
	etag    string
}

var byName = load()

func load() map[string]file {
	entries, err := files.ReadDir(".")
	if err != nil {
		panic(err) // embedded: it is there
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

// types are the media types by extension; those of the machine may differ.
var types = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
}

// policy lets the page load its own files and call its own origin, and nothing
// else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Has reports whether the page has a file of that name. The empty name is the
// page itself.
func Has(name string) bool {
	_, ok := byName[name]
	return ok || name == ""
}

// Serve sends the file of that name, which the page must have.
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

// Protect sets the header fields that keep the page and what it shows to
// itself.
func Protect(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}
