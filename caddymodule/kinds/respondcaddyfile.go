package kinds

import (
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
)

// UnmarshalCaddyfile sets up the fault from Caddyfile tokens. Syntax:
//
//	respond <status>|<family>:<code> [<body>] {
//	    reason       <text>
//	    body         <text>
//	    body_file    <path>
//	    body_base64  <base64>
//	    body_size    <size>
//	    content_type <type>
//	    format       json|text|html|problem|auto
//	    retry_after  <duration> [date]|off
//	    header       [+|-]<field> [<value>]
//	    close
//	}
//
// A status is a code, a list such as 500,502,503 or a class such as 5xx. The body can
// come before the status, as in Caddy's respond directive.
func (f *Respond) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume kind
	words := d.RemainingArgs()
	if len(words) > 2 {
		return args.Unexpected(d, "respond", words[2])
	}
	if err := f.unmarshalStatus(words); err != nil {
		return d.WrapErr(err)
	}
	return args.Options(d, "header", func(name string) error { return f.unmarshalOption(d, name) })
}

func (f *Respond) unmarshalOption(d *caddyfile.Dispenser, name string) error {
	switch name {
	case "reason":
		f.Reason = new(string)
		return args.Text(d, "respond reason", f.Reason)
	case "body":
		if f.Body != nil {
			return d.Err("body already specified")
		}
		f.Body = new(string)
		return args.Text(d, "respond body", f.Body)
	case "body_file":
		return args.One(d, "respond body_file", &f.BodyFile)
	case "body_base64":
		return args.One(d, "respond body_base64", &f.BodyBase64)
	case "body_size":
		return args.Parse(d, "respond body_size", d.RemainingArgs(), atLeastOneByte("respond body_size", &f.BodySize))
	case "content_type":
		return args.One(d, "respond content_type", &f.ContentType)
	case "format":
		return args.One(d, "respond format", &f.Format)
	case optionRetryAfter:
		return f.unmarshalRetryAfter(d)
	case "header":
		if f.Headers == nil {
			f.Headers = new(HeaderOps)
		}
		return f.Headers.unmarshalOption(d, "respond header")
	case "close":
		f.Close = true
		return args.None(d, "respond close")
	default:
		return args.UnknownOption(d, "respond")
	}
}

// Line returns the status, the body and retry_after. If more is set, ok is false.
func (f *Respond) Line() (line string, ok bool) {
	line, ok = statusArg{f.Family, f.StatusCode}.line(f.Body)
	if f.StatusCodes != nil {
		line = strings.TrimSpace(formatStatuses(f.StatusCodes) + " " + line)
	}
	if f.RetryAfter != "" {
		line += "; " + f.retryAfterLine()
	}
	return line, ok && f.Reason == nil && f.BodyFile == "" && f.BodyBase64 == "" && f.BodySize == 0 && f.ContentType == "" && f.Format == "" && f.Headers == nil && !f.Close
}
