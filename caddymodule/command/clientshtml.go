package command

import (
	"html/template"
	"io"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
)

// printClientsHTML prints a report as one page without scripts, which loads nothing.
func printClientsHTML(out io.Writer, v *api.ClientsView) error {
	return clientsHTML.Execute(out, newClientsPage(v))
}

var clientsHTML = template.Must(template.New("clients").Funcs(template.FuncMap{
	"printable": grammar.Printable, "sentence": sentence,
}).Parse(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>What clients did after a fault</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 75em; margin: 2em auto; padding: 0 1em; color: #1a1a1a; background: #fff }
table { border-collapse: collapse; margin: .5em 0 1em; display: block; overflow-x: auto }
th, td { text-align: left; vertical-align: top; padding: .25em .75em; border-bottom: 1px solid #ddd; overflow-wrap: anywhere }
th { white-space: nowrap }
.error { color: #b00020; font-weight: bold }
.warning { color: #8a4b00; font-weight: bold }
.ok { color: #1b5e20; font-weight: bold }
.why { border-left: .25em solid #b00020; padding: .5em 1em; overflow-wrap: anywhere }
li { font-family: ui-monospace, monospace; font-size: 13px; overflow-wrap: anywhere }
@media (prefers-color-scheme: dark) {
body { color: #eee; background: #1a1a1a }
th, td { border-color: #444 }
.error { color: #ff8a80 }
.warning { color: #ffb74d }
.ok { color: #a5d6a7 }
}
</style>
</head>
<body>
<h1>What clients did after a fault</h1>
<p>{{sentence .Summary}}</p>
{{- with .Why}}
<p class="why"><strong>The assertion does not hold:</strong> {{printable .}}</p>
{{- end}}
{{- range .Hints}}
<p>{{.}}</p>
{{- end}}
{{- with .Clients}}
<h2>Clients</h2>
{{- template "facts" .}}
{{- template "findings" .}}
{{- end}}
{{- with .Periods}}
<h2>Faults</h2>
{{- template "facts" .}}
{{- template "findings" .}}
{{- end}}
</body>
</html>
{{define "facts"}}
<table>
<tr><th scope="col">Name</th>{{range (index . 0).Facts}}<th scope="col">{{.Name}}</th>{{end}}</tr>
{{- range .}}
<tr><th scope="row">{{printable .Name}}</th>{{range .Facts}}<td>{{.Value}}</td>{{end}}</tr>
{{- end}}
</table>
{{- end}}
{{- define "findings"}}
{{- range .}}
<h3>{{printable .Name}}</h3>
<table>
<tr><th scope="col">Level</th><th scope="col">Finding</th><th scope="col">Details</th></tr>
{{- range .Rows}}
<tr><td class="{{.Level}}">{{.Level}}</td><td>{{range $i, $name := .Findings}}{{if $i}}, {{end}}{{$name}}{{end}}</td><td>{{printable .Text}}
{{- with .Proofs}}<details><summary>Evidence</summary><ul>{{range .}}<li>{{printable .}}</li>{{end}}</ul></details>{{end}}</td></tr>
{{- end}}
</table>
{{- end}}
{{- end}}
`))
