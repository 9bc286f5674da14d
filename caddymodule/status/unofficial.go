package status

// deFacto is the source of a code that only lists and clients know and that is not
// specified anywhere.
//
// The tables below contain codes that are used in HTTP but not registered, and
// registered codes for which a server has different wording.
const deFacto = "de facto, unregistered"

var nginxRows = []row{
	{302, "Moved Temporarily", "nginx wording of 302"},
	{405, "Not Allowed", "nginx wording of 405"},
	{408, "Request Time-out", "nginx wording of 408"},
	{413, "Request Entity Too Large", "nginx wording of 413"},
	{414, "Request-URI Too Large", "nginx wording of 414"},
	{416, "Requested Range Not Satisfiable", "nginx wording of 416"},
	{444, "No Response", "nginx, closes the connection without a reply"},
	{494, "Request Header Too Large", "nginx, internal: the client gets 400"},
	{495, "SSL Certificate Error", "nginx, internal: the client gets 400"},
	{496, "SSL Certificate Required", "nginx, internal: the client gets 400"},
	{497, "HTTP Request Sent to HTTPS Port", "nginx, internal: the client gets 400"},
	{499, "Client Closed Request", "nginx, in its logs only"},
	{503, "Service Temporarily Unavailable", "nginx wording of 503"},
	{504, "Gateway Time-out", "nginx wording of 504"},
}

var cloudflareRows = []row{
	{520, "Web Server Returned an Unknown Error", "Cloudflare documentation, 5xx errors"},
	{521, "Web Server Is Down", "Cloudflare documentation, 5xx errors"},
	{522, "Connection Timed Out", "Cloudflare documentation, 5xx errors"},
	{523, "Origin Is Unreachable", "Cloudflare documentation, 5xx errors"},
	{524, "A Timeout Occurred", "Cloudflare documentation, 5xx errors"},
	{525, "SSL Handshake Failed", "Cloudflare documentation, 5xx errors"},
	{526, "Invalid SSL Certificate", "Cloudflare documentation, 5xx errors"},
	{527, "Railgun Error", "Cloudflare, retired with Railgun"},
	{530, "Origin DNS Error", "Cloudflare documentation, 5xx errors; the body has a 1xxx error"},
}

var apacheRows = []row{
	{218, "This Is Fine", deFacto + ": lists ascribe it to Apache httpd, whose documentation does not mention it"},
	{413, "Request Entity Too Large", "Apache httpd wording of 413"},
	{414, "Request-URI Too Long", "Apache httpd wording of 414"},
	{416, "Requested Range Not Satisfiable", "Apache httpd wording of 416"},
	{418, "I'm A Teapot", "Apache httpd wording of 418"},
	{422, "Unprocessable Entity", "Apache httpd wording of 422"},
	{509, "Bandwidth Limit Exceeded", deFacto + ": bandwidth modules of Apache httpd, cPanel"},
}

var iisRows = []row{
	{440, "Login Time-out", "Microsoft IIS and Exchange"},
	{449, "Retry With", "Microsoft IIS, [MS-WDV]"},
}

var microsoftRows = []row{
	{450, "Blocked by Windows Parental Controls", "Microsoft Windows Parental Controls"},
	{451, "Redirect", "Microsoft Exchange ActiveSync"},
}

// AWS documents these codes without phrases, except for 561. The other names are those
// of the usual lists.
var awsRows = []row{
	{460, "Client Closed the Connection with AWS Elastic Load Balancer", "AWS documentation, Elastic Load Balancing"},
	{463, "X-Forwarded-For Header with More Than 30 IP Addresses", "AWS documentation, Elastic Load Balancing"},
	{464, "Incompatible Protocol Versions", "AWS documentation, Elastic Load Balancing"},
	{561, "Unauthorized", "AWS documentation, Elastic Load Balancing"},
}

var laravelRows = []row{
	{419, "Page Expired", "Laravel, missing or expired CSRF token"},
}

var twitterRows = []row{
	{420, "Enhance Your Calm", "Twitter Search and Trends API v1, rate limit"},
}

var springRows = []row{
	{420, "Method Failure", "Spring Framework 3, HttpStatus (deprecated)"},
}

var shopifyRows = []row{
	{430, "Shopify Security Rejection", "Shopify API documentation, response codes"},
	{540, "Temporarily Disabled", "Shopify API documentation, response codes"},
	{783, "Unexpected Token", "Shopify API documentation, response codes"},
}

var esriRows = []row{
	{498, "Invalid Token", "Esri ArcGIS Server"},
	{499, "Token Required", "Esri ArcGIS Server"},
}

var pantheonRows = []row{
	{530, "Site Is Frozen", "Pantheon platform"},
}

var cpanelRows = []row{
	{508, "Resource Limit Is Reached", "cPanel and CloudLinux, limits of an account"},
}

var linkedinRows = []row{
	{999, "Request Denied", deFacto + ": LinkedIn, refuses bots"},
}

var qualysRows = []row{
	{529, "Site Is Overloaded", deFacto + ": Qualys SSL Labs"},
}

var anthropicRows = []row{
	{529, "Overloaded", "Anthropic API documentation, errors (overloaded_error)"},
}

var proxyRows = []row{
	{598, "Network Read Timeout Error", deFacto + ": some HTTP proxies"},
	{599, "Network Connect Timeout Error", deFacto + ": some HTTP proxies, Tornado's client"},
}
