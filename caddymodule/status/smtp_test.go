package status

import "testing"

func TestSMTPCodes(t *testing.T) {
	t.Parallel()
	checkCodes(t, "smtp", "211 214 220-221 235 250-253 334 354-355 421 432 450-455 458-459 500-504 521 523 530 534-535 538 550-556", 40)
}

// Short names in common use. The texts of the RFC are longer.
func TestSMTPNames(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]string{
		211: "System Status",
		214: "Help Message",
		251: "User Not Local",
		354: "Start Mail Input",
		421: "Service Not Available",
		455: "Server Unable to Accommodate",
		503: "Bad Sequence",
		550: "Mailbox Not Found",
		551: "User Not Local",
		552: "Exceeded Storage",
	} {
		if got, _ := Find("smtp", code); got.Name != want {
			t.Errorf("smtp:%d is %q, want %q", code, got.Name, want)
		}
	}
}
