// Command build builds a Caddy binary from a JSON file, as `xcaddy build` does from
// its command line:
//
//	go run ./cmd/build [-config xcaddy.json] [-output caddy]
//
// The keys of the file are those of xcaddy's Builder: caddy_version, plugins with
// module_path and version, replacements with old and new, and the other fields of
// https://pkg.go.dev/github.com/caddyserver/xcaddy#Builder. Relative folders are
// relative to the folder of the file, so the build works from any directory.
//
// At the end, the command lists the fault modules of the binary. A binary without any
// would refuse every fault directive, so that build fails.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/caddyserver/xcaddy"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run runs the program and returns the exit code: 0 for a binary, 1 for a failed build,
// 2 for a wrong command line.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("build", flag.ContinueOnError)
	flags.SetOutput(stderr)
	config := flags.String("config", "xcaddy.json", "read the build from `file`")
	output := flags.String("output", binaryName(), "write the binary to `file`")
	flags.StringVar(output, "o", *output, "short for -output `file`")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "build: unexpected argument %q; name the file of the build with -config\n", flags.Arg(0))
		return 2
	}
	if err := build(ctx, *config, *output, stdout); err != nil {
		fmt.Fprintf(stderr, "build: %v\n", err)
		return 1
	}
	return 0
}

// build builds the binary output from the file config and reports on it.
func build(ctx context.Context, config, output string, stdout io.Writer) error {
	builder, err := load(config)
	if err != nil {
		return err
	}
	if err := stayLocal(ctx, builder.Replacements); err != nil {
		return err
	}
	if err := builder.Build(ctx, output); err != nil {
		return fmt.Errorf("building %s (see the failed step above): %w", output, err)
	}
	if builder.SkipBuild {
		return nil
	}
	if foreign(builder.Platform) {
		fmt.Fprintf(stdout, "%s is for another platform, so its modules cannot be listed here\n", output)
		return nil
	}
	return report(ctx, output, stdout)
}

// report prints the path of the binary and its fault modules.
func report(ctx context.Context, binary string, stdout io.Writer) error {
	path, err := filepath.Abs(binary) // a bare name would be looked up in PATH
	if err != nil {
		return err
	}
	listing, err := exec.CommandContext(ctx, path, "list-modules").Output()
	if err != nil {
		return fmt.Errorf("listing the modules of %s: %w", path, err)
	}
	var ours []string
	for line := range strings.Lines(string(listing)) {
		if strings.Contains(line, "fault") {
			ours = append(ours, strings.TrimSpace(line))
		}
	}
	if len(ours) == 0 {
		return fmt.Errorf("%s has no fault module; add github.com/caddyfault/caddyfault/caddymodule to \"plugins\"", path)
	}
	fmt.Fprintf(stdout, "%s\n  %s\n", path, strings.Join(ours, "\n  "))
	return nil
}

// foreign reports whether a binary for this platform cannot run here.
func foreign(p xcaddy.Platform) bool {
	return p.OS != "" && p.OS != runtime.GOOS || p.Arch != "" && p.Arch != runtime.GOARCH
}

// binaryName returns the default of -output, which is also xcaddy's default.
func binaryName() string {
	if runtime.GOOS == "windows" {
		return "caddy.exe"
	}
	return "caddy"
}
