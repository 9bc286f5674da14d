package status

// smtpRows are the reply codes of SMTP and its extensions. The names are short forms of
// the standard texts, without placeholders such as <domain>. If a code has several
// texts, the name follows the RFC of the row.
var smtpRows = []row{
	{211, "System Status", "RFC 5321 section 4.2.3"},
	{214, "Help Message", "RFC 5321 section 4.2.3"},
	{220, "Service Ready", "RFC 5321 section 4.2.3"},
	{221, "Service Closing Transmission Channel", "RFC 5321 section 4.2.3"},
	{235, "Authentication Succeeded", "RFC 4954 section 6"},
	{250, "Requested Mail Action Okay", "RFC 5321 section 4.2.3"},
	{251, "User Not Local", "RFC 5321 section 4.2.3"},
	{252, "Cannot VRFY User", "RFC 5321 section 4.2.3"},
	{253, "Pending Messages for Node Started", "RFC 1985"},

	{334, "Server Challenge", "RFC 4954 section 4"},
	{354, "Start Mail Input", "RFC 5321 section 4.2.3"},
	{355, "Transaction Offset", "RFC 1845"},

	{421, "Service Not Available", "RFC 5321 section 4.2.3"},
	{432, "Password Transition Needed", "RFC 4954 section 6"},
	{450, "Mailbox Unavailable", "RFC 5321 section 4.2.3"},
	{451, "Local Error in Processing", "RFC 5321 section 4.2.3"},
	{452, "Insufficient System Storage", "RFC 5321 section 4.2.3"},
	{453, "You Have No Mail", "RFC 2645"},
	{454, "Temporary Authentication Failure", "RFC 4954 section 6"},
	{455, "Server Unable to Accommodate", "RFC 5321 section 4.2.3"},
	{458, "Unable to Queue Messages", "RFC 1985"},
	{459, "Node Not Allowed", "RFC 1985"},

	{500, "Syntax Error, Command Unrecognized", "RFC 5321 section 4.2.3"},
	{501, "Syntax Error in Parameters or Arguments", "RFC 5321 section 4.2.3"},
	{502, "Command Not Implemented", "RFC 5321 section 4.2.3"},
	{503, "Bad Sequence", "RFC 5321 section 4.2.3"},
	{504, "Command Parameter Not Implemented", "RFC 5321 section 4.2.3"},
	{521, "Host Does Not Accept Mail", "RFC 7504"},
	{523, "Encryption Needed", "RFC 5248"},
	{530, "Authentication Required", "RFC 4954 section 6"},
	{534, "Authentication Mechanism Is Too Weak", "RFC 4954 section 6"},
	{535, "Authentication Credentials Invalid", "RFC 4954 section 6"},
	{538, "Encryption Required for Requested Authentication Mechanism", "RFC 4954 section 6"},
	{550, "Mailbox Not Found", "RFC 5321 section 4.2.3"},
	{551, "User Not Local", "RFC 5321 section 4.2.3"},
	{552, "Exceeded Storage", "RFC 5321 section 4.2.3"},
	{553, "Mailbox Name Not Allowed", "RFC 5321 section 4.2.3"},
	{554, "Transaction Failed", "RFC 5321 section 4.2.3"},
	{555, "MAIL FROM/RCPT TO Parameters Not Recognized", "RFC 5321 section 4.2.3"},
	{556, "Domain Does Not Accept Mail", "RFC 7504"},
}
