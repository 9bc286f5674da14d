package faulttest_test

import (
	"testing"

	"go.uber.org/goleak"
)

// Nothing outlives a test, so a leak checker needs no help.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
