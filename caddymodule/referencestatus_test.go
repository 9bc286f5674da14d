package caddymodule

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/caddyfault/caddyfault/caddymodule/internal/manual"
	"github.com/caddyfault/caddyfault/caddymodule/status"
)

const statusIntro = `# Status codes

The catalog that the fault [respond](kinds/respond.md) and the short form ` + "`fault <status>`" + ` use.
The catalog gives each code its name, which is the reason phrase over HTTP/1.1, and its default body.
Search the catalog with ` + "`caddy fault codes <text>`" + `.

Write a code as the first column shows it.
A bare code has the meaning of the first family in the list below.
A family before the code chooses another meaning, such as ` + "`smtp:450`" + `.
A number from 200 to 999 that is not in the catalog has the name ` + "`Unknown Status`" + `.
Codes below 200 cannot be sent, because HTTP reserves them for interim replies.

The default body is JSON.
Where the column is empty, HTTP allows no body, or the code is a redirect.
With 503, ` + "`respond`" + ` also sends ` + "`Retry-After: 300`" + `.
`

// mostUsed are the codes that people look for first.
var mostUsed = []int{429, 500, 502, 503, 504, 551, 400, 401, 403, 404, 408, 409, 422, 499, 520, 521, 522, 524}

// familyTitles are the families in words, where the name alone does not tell.
var familyTitles = map[string]string{
	"http":       "HTTP (IANA)",
	"nginx":      "nginx",
	"cloudflare": "Cloudflare",
	"apache":     "Apache httpd",
	"iis":        "Microsoft IIS",
	"microsoft":  "Other Microsoft software",
	"aws":        "AWS Elastic Load Balancing",
	"esri":       "ArcGIS Server",
	"proxy":      "Proxies and client libraries",
	"smtp":       "SMTP",
	"sip":        "SIP",
	"ftp":        "FTP",
	"laravel":    "Laravel",
	"twitter":    "Twitter",
	"spring":     "Spring",
	"shopify":    "Shopify",
	"pantheon":   "Pantheon",
	"cpanel":     "cPanel",
	"linkedin":   "LinkedIn",
	"qualys":     "Qualys",
	"anthropic":  "Anthropic",
}

// statusPage is the catalog of status codes.
func statusPage(t *testing.T) string {
	var m referencePage
	m.WriteString(generated + statusIntro)
	m.Printf("\n## Most used\n")
	var rows [][]string
	for _, number := range mostUsed {
		code, known := status.Find("", number)
		if !known {
			t.Fatalf("the code %d is not in the catalog", number)
		}
		rows = append(rows, statusRow(code))
	}
	m.Table(statusHead, rows)
	for _, family := range status.Families() {
		title := familyTitles[family]
		if title == "" {
			title = family
		}
		m.Printf("## %s\n", title)
		m.Printf("Family: `%s`.\n", family)
		rows = nil
		for _, code := range status.All() {
			if code.Family == family {
				rows = append(rows, statusRow(code))
			}
		}
		m.Table(statusHead, rows)
	}
	return m.Text()
}

var statusHead = []string{"Write", "Name", "Default body", "Other meanings", "Source"}

// statusRow is a code with what others mean by its number.
func statusRow(c status.Code) []string {
	body := ""
	if c.Sendable() && c.BodyAllowed() {
		body = manual.Code(c.JSON())
	}
	var others []string
	for _, other := range status.All() {
		if other.Code == c.Code && other.Family != c.Family {
			others = append(others, manual.Code(fmt.Sprintf("%s:%d", other.Family, other.Code)))
		}
	}
	written := c.String()
	if bare, known := status.Find("", c.Code); known && bare == c {
		written = fmt.Sprint(c.Code)
	}
	slices.Sort(others)
	return []string{manual.Code(written), c.Name, body, strings.Join(others, ", "), c.Source}
}
