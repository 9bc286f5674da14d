package control

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
)

// What the process remembers of people: for how long, and whether it knows addresses.

const (
	addressesOff = "off"
	minKeep      = time.Second
)

func (a *App) validatePrivate() error {
	var keep, addresses error
	if a.JournalKeep != 0 && time.Duration(a.JournalKeep) < minKeep {
		keep = errKeep(time.Duration(a.JournalKeep).String())
	}
	if a.ClientAddresses != "" && a.ClientAddresses != addressesOff {
		addresses = fmt.Errorf("bad client_addresses '%s': want off, or leave it out to record addresses", a.ClientAddresses)
	}
	return errors.Join(keep, addresses)
}

func errKeep(keep string) error {
	return fmt.Errorf("bad journal_keep '%s': want %s or more; leave it out to keep entries without a limit in time", keep, minKeep)
}

// unmarshalJournal parses the option journal. Syntax:
//
//	journal <number> [<keep>]
func (a *App) unmarshalJournal(d *caddyfile.Dispenser) error {
	values := d.RemainingArgs()
	switch {
	case len(values) < 1:
		return args.Missing(d, "global journal")
	case len(values) > 2:
		return args.Unexpected(d, "global journal", values[2])
	}
	size, err := grammar.ParseCount(d, "journal", values[0])
	if err != nil {
		return err
	}
	a.Journal = &size
	if len(values) == 1 {
		return nil
	}
	a.JournalKeep, err = grammar.ParseDuration(d, "journal_keep", values[1])
	if err == nil && time.Duration(a.JournalKeep) < minKeep {
		return d.WrapErr(errKeep(values[1]))
	}
	return err
}

// RecordsAddresses reports whether the journal may have the addresses of clients.
func (a *App) RecordsAddresses() bool { return a.ClientAddresses != addressesOff }

// AddressOf returns what identifies a client among others: its address, or a text that
// says nothing about the address to anybody who does not know the key of this process.
func (a *App) AddressOf(client string) string {
	if client == "" || a.RecordsAddresses() {
		return client
	}
	sum := hmac.New(sha256.New, a.ctl.secret[:])
	_, _ = sum.Write([]byte(client)) // never fails
	return "#" + hex.EncodeToString(sum.Sum(nil)[:4])
}

// newSecret returns a key that nobody knows, and that ends with the process.
func newSecret() (secret [sha256.Size]byte) {
	_, _ = rand.Read(secret[:]) // never fails
	return secret
}

// configureJournal applies the settings of the journals.
func (c *Control) configureJournal(app *App) {
	c.Journal.Resize(app.journalSize())
	c.Refusals.Resize(min(app.journalSize(), defaultJournal))
	keep := time.Duration(app.JournalKeep)
	c.Journal.Keep(keep)
	c.Refusals.Keep(keep)
}
