// Package browser has the tests of the web pages in Chromium, behind a build constraint: make test-site runs them.
//
// Each *.test.mjs is a set of tests for node, which moves the browser with playwright-core. The Go test gives them the site, served
// and as files.
package browser
