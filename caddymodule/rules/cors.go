package rules

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// CORS lets pages of other origins read injected replies.
type CORS struct {
	// The origins of the pages, such as `https://app.example.com`. Default: any origin.
	Origins []string `json:"origins,omitempty"`
}

// Allows reports whether pages of an origin may read injected replies.
func (c *CORS) Allows(origin string) bool {
	return c != nil && origin != "" && (len(c.Origins) == 0 || slices.Contains(c.Origins, origin))
}

// Validate checks the origins.
func (c *CORS) Validate() error {
	if c == nil {
		return nil
	}
	for i, origin := range c.Origins {
		if err := checkOrigin(origin); err != nil {
			return err
		}
		if slices.Contains(c.Origins[:i], origin) {
			return fmt.Errorf("cors: duplicate origin '%s'", origin)
		}
	}
	return nil
}

// checkOrigin returns an error if browsers never send a text as an origin. They send
// `null` for a page without an origin.
func checkOrigin(text string) error {
	switch {
	case text == "null":
		return nil
	case text == "*":
		return fmt.Errorf("bad origin '*' of cors: for any origin, write cors without an origin")
	case strings.Contains(text, "*"):
		return fmt.Errorf("bad origin '%s' of cors: list each origin; there are no wildcards", text)
	}
	meant := meantOrigin(text)
	switch {
	case meant == "":
		return fmt.Errorf("bad origin '%s' of cors: want a scheme and a host, such as https://app.example.com or http://localhost:3000", text)
	case meant != text:
		return fmt.Errorf("bad origin '%s' of cors: browsers write it differently; write cors %s", text, meant)
	}
	return nil
}

// meantOrigin returns the origin of a URL as browsers write it, or "" without one.
func meantOrigin(text string) string {
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" || u.Hostname() == "" || u.User != nil {
		return ""
	}
	if _, err := strconv.ParseUint(u.Port(), 10, 16); err != nil && (u.Port() != "" || strings.HasSuffix(u.Host, ":")) {
		return ""
	}
	if strings.ContainsFunc(u.Host, func(c rune) bool { return c <= ' ' || c > '~' || strings.ContainsRune("{},;'\"", c) }) {
		return ""
	}
	host := strings.ToLower(u.Host)
	if u.Scheme == "https" && u.Port() == "443" || u.Scheme == "http" && u.Port() == "80" {
		host = strings.TrimSuffix(host, ":"+u.Port())
	}
	return u.Scheme + "://" + host
}
