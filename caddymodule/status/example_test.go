package status_test

import (
	"fmt"

	"github.com/caddyfault/caddyfault/caddymodule/status"
)

// Look up a code, then send its name as the reason phrase with its default body.
func Example() {
	code, err := status.Parse("551")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(code)
	fmt.Println(code.Name)
	fmt.Println(code.Source)
	fmt.Println(code.JSON())
	// Output:
	// smtp:551
	// User Not Local
	// RFC 5321 section 4.2.3
	// {"error": "server_error", "message": "User Not Local"}
}

func ExampleParse() {
	for _, text := range []string{"551", "smtp:450", "cloudflare:521", "404", "smtp:599"} {
		c, err := status.Parse(text)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(c, c.Name)
	}
	// Output:
	// smtp:551 User Not Local
	// smtp:450 Mailbox Unavailable
	// cloudflare:521 Web Server Is Down
	// http:404 Not Found
	// unknown smtp code '599'
}

func ExampleCode_JSON() {
	for _, text := range []string{"200", "404", "503", "551"} {
		c, err := status.Parse(text)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(c.JSON())
	}
	// Output:
	// {"status": "success"}
	// {"error": "not_found", "message": "Not Found"}
	// {"error": "service_unavailable", "retry_after": 300}
	// {"error": "server_error", "message": "User Not Local"}
}
