package status

import "testing"

func TestSIPCodes(t *testing.T) {
	t.Parallel()
	checkCodes(t, "sip", "100 180-183 199 200 202 204 300-302 305 380 400-408 410 412-417 420-425 428-430 433 436-440 469-470 "+
		"480-489 491 493-494 500-505 513 555 580 600 603-604 606-608", 75)
}
