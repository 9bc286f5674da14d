// Package status is the catalogue of status codes: a family and a code give the
// name (the reason phrase on an HTTP/1.1 status line), the source of that name,
// and the body a reply with this code has unless something else is configured.
//
// Not only HTTP has three-digit reply codes. SMTP, SIP and FTP use the same
// scheme, and servers and services have invented codes of their own, so the same
// number can mean several things: 530 is "Authentication Required" in SMTP, "Not
// Logged In" in FTP and "Origin DNS Error" at Cloudflare. A family says which one
// is meant:
//
//	551             User Not Local (bare: the best known meaning)
//	smtp:450        Mailbox Unavailable
//	sip:486         Busy Here
//	cloudflare:521  Web Server Is Down
//
// # Families
//
// In this order, which is also the order of precedence for bare codes:
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
// A bare code means the code of the first family in that list that has it. So
// IANA's HTTP name always wins; then come the codes that are used in HTTP without
// being registered; then SMTP, SIP and FTP for the numbers that HTTP leaves free.
// A bare code that no family has is called "Unknown Status".
//
// There is one departure from IANA's names: the registry reserves 418 as "(Unused)",
// yet it is sent all over the Web, so it has the name everybody knows, "I'm a
// teapot". 306, which nobody sends, is "(Unused)" as registered.
//
// # Bodies
//
// [Code.JSON] describes the rule for the default body; [Code.Text], [Code.HTML]
// and [Code.Problem] give the same reply in other formats.
package status
