package experiments

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/caddyfault/caddyfault/caddymodule/internal/strictjson"
)

// checkWeak returns an error for what only a configuration may have, anywhere in the
// JSON: files, and placeholders other than those of the request and the time. It reads
// the text itself, and matches names in any case, as package encoding/json does.
// [CheckMatchers] has the further checks for matchers.
func checkWeak(data []byte) error {
	return strictjson.Walk("", json.NewDecoder(bytes.NewReader(data)), strictjson.Visitor{Name: checkName, Text: checkPlaceholders})
}

// checkName checks the name of a member of the object at path.
func checkName(field, name string) error {
	within := strictjson.Member(field, name)
	if strings.EqualFold(name, "body_file") {
		return fmt.Errorf("%s: experiments read no files; write the text as body", within)
	}
	return checkPlaceholders(within, name)
}

// namespaced matches the beginning of a placeholder, but not the {2} of a regular
// expression or the brace of JSON. A name extends to the next closing brace and may
// contain an opening one.
var namespaced = regexp.MustCompile(`\{([A-Za-z0-9_-]*[A-Za-z_-][A-Za-z0-9_-]*)[.}]`)

// checkPlaceholders checks the placeholders of a text.
func checkPlaceholders(field, text string) error {
	for _, at := range namespaced.FindAllStringSubmatchIndex(text, -1) {
		space, qualified := text[at[2]:at[3]], text[at[1]-1] == '.'
		if qualified && (space == "http" || space == "time") {
			continue
		}
		end := strings.IndexByte(text[at[0]:], '}')
		if end < 0 {
			return nil // no later placeholder ends either
		}
		return fmt.Errorf("%s: placeholder '%s' is not allowed in experiments; they may use {http.*} and {time.*}", field, text[at[0]:at[0]+end+1])
	}
	return nil
}
