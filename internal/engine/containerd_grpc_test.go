//go:build linux && engines

package engine

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
)

// ctr cannot make these calls, so the tests speak gRPC: HTTP/2 with a length before each message. The messages are Protocol Buffers:
// numbered fields, each an integer, a text or another message.
type (
	protoMessage []protoField
	protoField   struct {
		number int
		value  any
	}
)

func (m protoMessage) encode() []byte {
	var b []byte
	for _, f := range m {
		var data []byte
		switch value := f.value.(type) {
		case int:
			b = binary.AppendUvarint(b, uint64(f.number)<<3)
			b = binary.AppendUvarint(b, uint64(value))
			continue
		case string:
			data = []byte(value)
		case protoMessage:
			data = value.encode()
		}
		b = binary.AppendUvarint(b, uint64(f.number)<<3|2)
		b = binary.AppendUvarint(b, uint64(len(data)))
		b = append(b, data...)
	}
	return b
}

// protoLookup returns the first field at a path of field numbers in an encoded message, as an integer or as bytes. A missing field is
// zero.
func protoLookup(b []byte, path ...uint64) (int, string) {
	for len(b) > 0 {
		key, n := binary.Uvarint(b)
		b = b[n:]
		var number uint64
		var data []byte
		switch key & 7 {
		case 0:
			number, n = binary.Uvarint(b)
		case 1:
			n = 8
		case 2:
			length, m := binary.Uvarint(b)
			n = m + int(length)
			data = b[m:n]
		case 5:
			n = 4
		}
		b = b[n:]
		if key>>3 != path[0] {
			continue
		}
		if len(path) > 1 {
			return protoLookup(data, path[1:]...)
		}
		return int(number), string(data)
	}
	return 0, ""
}

// grpcCall makes a gRPC call at a socket, in a namespace of containerd. It returns the encoded answer, or the text of the error.
func grpcCall(t testing.TB, socket, namespace, method string, request protoMessage) ([]byte, error) {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}
	defer transport.CloseIdleConnections()
	data := request.encode()
	frame := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(data))), data...)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	post, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://containerd/"+method, bytes.NewReader(frame))
	require.NoError(t, err)
	post.Header.Set("Content-Type", "application/grpc")
	post.Header.Set("Containerd-Namespace", namespace)
	response, err := transport.RoundTrip(post)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	// An error without an answer is in the header. Any other result is in the trailer.
	end := response.Trailer
	if response.Header.Get("Grpc-Status") != "" {
		end = response.Header
	}
	if end.Get("Grpc-Status") != "0" {
		text, _ := url.PathUnescape(end.Get("Grpc-Message"))
		return nil, fmt.Errorf("%s: status %s: %s", method, end.Get("Grpc-Status"), text)
	}
	require.GreaterOrEqual(t, len(body), 5)
	return body[5:], nil
}
