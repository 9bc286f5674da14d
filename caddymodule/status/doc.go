// Package status is a catalog of status codes. It maps a family and a code to a name,
// the source of the name, and a default body. The name is the reason phrase on an
// HTTP/1.1 status line.
//
// HTTP is not the only protocol with three-digit reply codes. SMTP, SIP and FTP use the
// same scheme, and some servers and services define additional codes. One number can
// therefore have several meanings: 530 is "Authentication Required" in SMTP, "Not
// Logged In" in FTP and "Origin DNS Error" at Cloudflare. A family selects one of them:
//
//	551             User Not Local (bare: the best known meaning)
//	smtp:450        Mailbox Unavailable
//	sip:486         Busy Here
//	cloudflare:521  Web Server Is Down
//
// Use [Parse] to look up a code, then [Code.JSON] or [Code.Text] for the body.
//
// # Families
//
// The families, in order of precedence for bare codes:
//
//   - http: IANA's HTTP Status Code Registry (RFC 9110 section 16.2)
//   - nginx: codes and wordings of nginx
//   - cloudflare: errors between Cloudflare and the origin
//   - apache: codes and wordings of Apache httpd and its modules
//   - iis: Microsoft IIS
//   - microsoft: other Microsoft software (Parental Controls, Exchange ActiveSync)
//   - aws: Elastic Load Balancing
//   - laravel, twitter, spring, shopify: that framework or service
//   - esri: ArcGIS Server
//   - pantheon, cpanel: hosting
//   - linkedin, qualys, anthropic: that service
//   - proxy: informal codes of HTTP proxies and client libraries
//   - smtp: RFC 5321 and extensions
//   - sip: RFC 3261 and extensions
//   - ftp: RFC 959 and extensions
//
// # Bare codes
//
// A bare code means the code of the first family in that list that has it. IANA's HTTP
// name therefore always wins. Next are codes that are used in HTTP but not registered,
// then SMTP, SIP and FTP, for numbers that HTTP does not use. If no family has a bare
// code, its name is "Unknown Status".
//
// One name differs from IANA's. The registry reserves 418 as "(Unused)", but servers do
// send it, so it has its common name, "I'm a teapot". Servers do not send 306, so 306
// is "(Unused)", as registered.
//
// # Bodies
//
// [Code.JSON] documents the default body. [Code.Text], [Code.HTML] and [Code.Problem]
// return the same reply in other formats.
package status
