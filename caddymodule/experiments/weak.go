package experiments

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/caddyfault/caddyfault/caddymodule/internal/strictjson"
)

// checkWeak refuses what only a configuration may have, wherever it stands in
// the JSON: files, and placeholders of anything but the request and the time.
// It reads the text itself, not a tree of it, and takes names in any case, as
// package encoding/json does when it fills a struct. Of matchers there is more
// to check, see [CheckMatchers].
func checkWeak(data []byte) error {
	return strictjson.Walk("", json.NewDecoder(bytes.NewReader(data)), strictjson.Visitor{Name: checkName, Text: checkPlaceholders})
}

// checkName looks at the name of a member of the object at that place.
func checkName(field, name string) error {
	within := strictjson.Member(field, name)
	if strings.EqualFold(name, "body_file") {
		return fmt.Errorf("%s: an experiment reads no files: write the text as body", within)
	}
	return checkPlaceholders(within, name)
}

// namespaced is the beginning of a placeholder: not of the {2} of a regular
// expression, nor of JSON. The name goes on up to the next closing brace, and may
// have an opening one in it.
var namespaced = regexp.MustCompile(`\{([A-Za-z0-9_-]*[A-Za-z_-][A-Za-z0-9_-]*)[.}]`)

// checkPlaceholders looks at the placeholders of a text.
func checkPlaceholders(field, text string) error {
	for _, at := range namespaced.FindAllStringSubmatchIndex(text, -1) {
		end := strings.IndexByte(text[at[0]:], '}')
		space, qualified := text[at[2]:at[3]], text[at[1]-1] == '.'
		if end < 0 || qualified && (space == "http" || space == "time") {
			continue
		}
		return fmt.Errorf("%s: placeholder '%s' is not for experiments: they may use {http.*} and {time.*}", field, text[at[0]:at[0]+end+1])
	}
	return nil
}
