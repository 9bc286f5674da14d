package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyfault/caddyfault/caddymodule/control"
)

// ActivityList lists the last changes of the faults.
type ActivityList struct {
	// Activity begins with the oldest.
	Activity []control.Activity `json:"activity"`
}

// getActivity lists who has changed what.
func (a *service) getActivity(w http.ResponseWriter, r *http.Request) error {
	params := r.URL.Query()
	from, err := since(params)
	if err != nil {
		return err
	}
	limit, err := limitParam(params)
	if err != nil {
		return err
	}
	all := slices.DeleteFunc(a.ctl.Activity(), func(one control.Activity) bool { return one.At.Before(from) })
	if limit > 0 {
		all = all[max(0, len(all)-limit):]
	}
	return Answer(w, http.StatusOK, ActivityList{append([]control.Activity{}, all...)})
}

// actor returns who sends the request: the user that a handler before the console has
// authenticated, the subject of a verified client certificate, or else the API.
func actor(r *http.Request) string {
	if repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		if user, _ := repl.GetString("http.auth.user.id"); user != "" {
			return user
		}
	}
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 && len(r.TLS.VerifiedChains[0]) > 0 {
		if name := r.TLS.VerifiedChains[0][0].Subject.CommonName; name != "" {
			return name
		}
	}
	return control.WhyAPI
}

// cause returns why the API turns the switch.
func cause(r *http.Request) control.Cause {
	c := control.Cause{Why: control.WhyAPI}
	if by := actor(r); by != control.WhyAPI {
		c.By = by
	}
	return c
}

const (
	maxNote      = 500             // bytes of the note of a halt
	notePatience = 2 * time.Second // for the body of a halt
)

// readNote reads the note of a halt from the body. Webhooks may send any body, and
// nothing in a body stops a halt. problem says why the note is left out.
func readNote(w http.ResponseWriter, r *http.Request) (note, problem string) {
	if r.ContentLength == 0 {
		return "", ""
	}
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Now().Add(notePatience)) // a recorder of a test has none
	body, err := io.ReadAll(io.LimitReader(r.Body, MaxBody))
	_ = rc.SetReadDeadline(time.Time{})
	if body = bytes.TrimSpace(body); err == nil && len(body) == 0 {
		return "", ""
	}
	var asked struct {
		Note *string `json:"note"`
	}
	switch {
	case err != nil || json.Unmarshal(body, &asked) != nil:
		return "", `the note was not read; send {"note": "why"}`
	case asked.Note == nil:
		return "", ""
	case len(*asked.Note) > maxNote:
		return "", fmt.Sprintf("the note was left out: it has %d bytes, more than %d", len(*asked.Note), maxNote)
	}
	return *asked.Note, ""
}
