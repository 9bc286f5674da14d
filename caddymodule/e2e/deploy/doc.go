// Package deploy tests what is in docs/deploy: the image, the manifests and the release.
//
// Tests that need programs or other modules run with the flag -tools. The step deploy of
// CI installs the programs and sets the flag.
package deploy
