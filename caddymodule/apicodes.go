package caddymodule

import (
	_ "embed"
	"encoding/json"
	"net/http"

	"github.com/caddyfault/caddyfault/caddymodule/status"
)

// codeView is one row of the catalogue.
type codeView struct {
	status.Code

	// Text is how the code is written in the directive.
	Text string `json:"text"`

	// Body is what respond sends by default.
	Body string `json:"body"`
}

func newCodeView(code status.Code) codeView {
	view := codeView{Code: code, Text: code.String()}
	if code.Sendable() && code.BodyAllowed() {
		view.Body = code.JSON()
	}
	return view
}

func (a *api) listCodes(w http.ResponseWriter, _ *http.Request) error {
	all := status.All()
	views := make([]codeView, 0, len(all))
	for _, code := range all {
		views = append(views, newCodeView(code))
	}
	return answer(w, http.StatusOK, codeList{views})
}

type codeList struct {
	Codes []codeView `json:"codes"`
}

func (a *api) getCode(w http.ResponseWriter, r *http.Request) error {
	code, err := status.Parse(r.PathValue("code"))
	if err != nil {
		return refuse(http.StatusNotFound, "%v", err)
	}
	return answer(w, http.StatusOK, newCodeView(code))
}

//go:embed openapi.json
var openAPI json.RawMessage

func (a *api) getOpenAPI(w http.ResponseWriter, _ *http.Request) error {
	return answer(w, http.StatusOK, openAPI)
}
