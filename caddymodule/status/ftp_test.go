package status

import "testing"

func TestFTPCodes(t *testing.T) {
	t.Parallel()
	checkCodes(t, "ftp", "110 120 125 150 200 202 211-215 220-221 225-230 232 234-235 250 257 331-332 334-336 350 "+
		"421 425-426 431 450-452 500-504 521-522 530 532-537 550-555 631-633", 60)
}
