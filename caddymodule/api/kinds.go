package api

import (
	"net/http"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

// listKinds lists the kinds of fault in this build of Caddy.
func (a *service) listKinds(w http.ResponseWriter, _ *http.Request) error {
	return Answer(w, http.StatusOK, kindList{faults.Kinds()})
}

type kindList struct {
	Kinds []string `json:"kinds"`
}
