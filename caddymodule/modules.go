package caddymodule

import (
	_ "github.com/caddyfault/caddyfault/caddymodule/kinds" // every kind of fault
)
