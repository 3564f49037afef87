//go:build linux

package registry

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// certificates is where docker looks for the authority of a registry, in a directory with the name of the registry. Tests change it.
var certificates = "/etc/docker/certs.d"

// authorities returns the files of certificates for a registry. Its name is no pattern: [::1]:5000 has brackets.
func authorities(host string) (names []string, err error) {
	entries, err := os.ReadDir(filepath.Join(certificates, host))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, entry := range entries {
		if filepath.Ext(entry.Name()) == ".crt" {
			names = append(names, filepath.Join(certificates, host, entry.Name()))
		}
	}
	return names, err
}

// newTransport makes the connections to a registry.
func newTransport(host string, o Options) (http.RoundTripper, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = time.Minute
	transport.MaxIdleConnsPerHost = 8
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	switch o.TLSVerify {
	case "true":
	case "force":
		transport.TLSClientConfig.InsecureSkipVerify = true
	case "false":
		if !isLoopback(host) {
			return nil, fmt.Errorf("--tls-verify=false: %s is not this host, so anybody on the way could give you another image (if you know that, use --tls-verify=force)", host)
		}
		transport.TLSClientConfig.InsecureSkipVerify = true
	default:
		return nil, fmt.Errorf("--tls-verify %q: must be true, false or force", o.TLSVerify)
	}
	names, err := authorities(host)
	if err != nil {
		return nil, err
	}
	if o.CA != "" {
		names = append(names, o.CA)
	}
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		if transport.TLSClientConfig.RootCAs == nil {
			if transport.TLSClientConfig.RootCAs, err = x509.SystemCertPool(); err != nil {
				transport.TLSClientConfig.RootCAs = x509.NewCertPool()
			}
		}
		if !transport.TLSClientConfig.RootCAs.AppendCertsFromPEM(content) {
			return nil, fmt.Errorf("%s has no certificate: must be PEM", name)
		}
	}
	var all http.RoundTripper = transport
	if o.TLSVerify == "false" {
		all = thisHost{transport}
	}
	if o.Explain != nil {
		all = &narrator{all, o.Explain}
	}
	return all, nil
}

// thisHost sends requests to this host only, wherever a redirect leads and whoever gives out tokens: no certificate is verified.
type thisHost struct{ http.RoundTripper }

func (h thisHost) RoundTrip(request *http.Request) (*http.Response, error) {
	if isLoopback(request.URL.Host) {
		return h.RoundTripper.RoundTrip(request)
	}
	if request.Body != nil {
		request.Body.Close()
	}
	return nil, fmt.Errorf("the registry leads to %s: --tls-verify=false is for this host only", request.URL.Host)
}

// A narrator tells about each request. It says nothing about passwords and tokens.
type narrator struct {
	http.RoundTripper
	say func(line string)
}

func (n *narrator) RoundTrip(request *http.Request) (*http.Response, error) {
	begin := time.Now()
	answer, err := n.RoundTripper.RoundTrip(request)
	with := ""
	if part := request.Header.Get("Range"); part != "" {
		with = " (" + part + ")"
	}
	if request.Header.Get("Authorization") != "" {
		with += " (with credentials)"
	}
	url := *request.URL
	url.RawQuery = ""
	took := time.Since(begin).Milliseconds()
	if err != nil {
		n.say(fmt.Sprintf("%4d ms  %s %s%s: %v", took, request.Method, url.Redacted(), with, err))
		return nil, err
	}
	about := ""
	if answer.ContentLength >= 0 {
		about = fmt.Sprintf(", %d bytes", answer.ContentLength)
	}
	if mediaType := answer.Header.Get("Content-Type"); mediaType != "" {
		about += ", " + mediaType
	}
	n.say(fmt.Sprintf("%4d ms  %s %s%s: %s%s", took, request.Method, url.Redacted(), with, answer.Status, about))
	return answer, nil
}
