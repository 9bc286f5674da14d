package jsonmutate

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode"
)

// renamed returns another spelling of a name: userName, user_name or UserName, the first
// that differs. If none differs, it adds an underscore.
func renamed(name string) string {
	words := wordsOf(name)
	if len(words) == 0 {
		return name + "_"
	}
	var rest strings.Builder
	for _, word := range words[1:] {
		rest.WriteString(title(word))
	}
	for _, other := range []string{words[0] + rest.String(), strings.Join(words, "_"), title(words[0]) + rest.String()} {
		if other != name {
			return other
		}
	}
	return name + "_"
}

// title returns a word with a capital letter.
func title(word string) string {
	first := []rune(word)[0]
	return string(unicode.ToUpper(first)) + strings.TrimPrefix(word, string(first))
}

// wordsOf splits a name at underscores, hyphens and capital letters. It returns the words
// in lower case.
func wordsOf(name string) (words []string) {
	var word strings.Builder
	end := func() {
		if word.Len() > 0 {
			words = append(words, word.String())
			word.Reset()
		}
	}
	lower := false
	for _, c := range name {
		if c == '_' || c == '-' || lower && unicode.IsUpper(c) {
			end()
		}
		if c != '_' && c != '-' {
			word.WriteRune(unicode.ToLower(c))
		}
		lower = !unicode.IsUpper(c)
	}
	end()
	return words
}

// quote returns a text as a JSON string.
func quote(text string) string {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(text) // a string always encodes
	return strings.TrimSuffix(out.String(), "\n")
}
