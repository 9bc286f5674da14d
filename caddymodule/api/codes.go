package api

import (
	_ "embed"
	"encoding/json"
	"net/http"

	"github.com/caddyfault/caddyfault/caddymodule/status"
)

// CodeView is one status code of the catalog.
type CodeView struct {
	status.Code

	// Text is how to write the code in a fault directive.
	Text string `json:"text"`

	// Body is the body that respond sends by default.
	Body string `json:"body"`
}

func newCodeView(code status.Code) CodeView {
	view := CodeView{Code: code, Text: code.String()}
	if code.Sendable() && code.BodyAllowed() {
		view.Body = code.JSON()
	}
	return view
}

func (a *service) listCodes(w http.ResponseWriter, _ *http.Request) error {
	all := status.All()
	views := make([]CodeView, 0, len(all))
	for _, code := range all {
		views = append(views, newCodeView(code))
	}
	return Answer(w, http.StatusOK, CodeList{views})
}

// CodeList is the catalog, or the codes selected from it.
type CodeList struct {
	Codes []CodeView `json:"codes"`
}

func (a *service) getCode(w http.ResponseWriter, r *http.Request) error {
	code, err := status.Parse(r.PathValue("code"))
	if err != nil {
		return Refuse(http.StatusNotFound, "%v", err)
	}
	return Answer(w, http.StatusOK, newCodeView(code))
}

//go:embed openapi.json
var openAPI json.RawMessage

func (a *service) getOpenAPI(w http.ResponseWriter, _ *http.Request) error {
	return Answer(w, http.StatusOK, openAPI)
}
