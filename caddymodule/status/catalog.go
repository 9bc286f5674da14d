package status

import "slices"

// row is a code in the table of its family.
type row struct {
	code   int
	name   string
	source string
}

// families lists the tables in order of precedence: a bare code means the first family
// here that has it. To add a family, add a table and a line.
var families = []struct {
	name string
	rows []row
}{
	{"http", httpRows},
	{"nginx", nginxRows},
	{"cloudflare", cloudflareRows},
	{"apache", apacheRows},
	{"iis", iisRows},
	{"microsoft", microsoftRows},
	{"aws", awsRows},
	{"laravel", laravelRows},
	{"twitter", twitterRows},
	{"spring", springRows},
	{"shopify", shopifyRows},
	{"esri", esriRows},
	{"pantheon", pantheonRows},
	{"cpanel", cpanelRows},
	{"linkedin", linkedinRows},
	{"qualys", qualysRows},
	{"anthropic", anthropicRows},
	{"proxy", proxyRows},
	{"smtp", smtpRows},
	{"sip", sipRows},
	{"ftp", ftpRows},
}

// key identifies a code in byKey. The family is "" for a bare code.
type key struct {
	family string
	code   int
}

// The catalog, built once and only read afterwards.
var all, byKey = build()

func build() ([]Code, map[key]Code) {
	var codes []Code
	index := make(map[key]Code)
	for _, f := range families {
		for _, r := range f.rows {
			c := Code{Family: f.name, Code: r.code, Name: r.name, Source: r.source}
			codes = append(codes, c)
			index[key{f.name, r.code}] = c
			if _, taken := index[key{"", r.code}]; !taken {
				index[key{"", r.code}] = c
			}
		}
	}
	return codes, index
}

// All returns every row of the catalog, ordered by family as in [Families], then by
// code. The caller may change the slice.
func All() []Code {
	return slices.Clone(all)
}

// Families returns the names of the families in order of precedence, "http" first. The
// caller may change the slice.
func Families() []string {
	names := make([]string, len(families))
	for i, f := range families {
		names[i] = f.name
	}
	return names
}

func isFamily(name string) bool {
	for _, f := range families {
		if f.name == name {
			return true
		}
	}
	return false
}
