package kinds

import (
	"encoding/base64"
	"encoding/binary"
	"strings"
	"time"
)

// retryInfoType is the name of the message with which an error says when to try again.
const retryInfoType = "google.rpc.RetryInfo"

// detailsBin returns the status with its details as gRPC sends it: a google.rpc.Status in
// base64. It returns "" if the error has no details.
func (f *GRPC) detailsBin(message string) string {
	if f.RetryInfo == 0 {
		return ""
	}
	detail := protoBytes(nil, 1, "type.googleapis.com/"+retryInfoType)
	detail = protoBytes(detail, 2, string(retryInfo(time.Duration(f.RetryInfo))))
	status := protoInt(nil, 1, uint64(f.Code))
	status = protoBytes(status, 2, strings.ToValidUTF8(message, "\uFFFD"))
	status = protoBytes(status, 3, string(detail))
	return base64.RawStdEncoding.EncodeToString(status)
}

// retryInfo returns a google.rpc.RetryInfo, whose only field is a
// google.protobuf.Duration.
func retryInfo(delay time.Duration) []byte {
	duration := protoInt(nil, 1, uint64(delay/time.Second))
	duration = protoInt(duration, 2, uint64(delay%time.Second))
	return protoBytes(nil, 1, string(duration))
}

// protoInt appends a field of a protocol buffer that is a number. As in every encoder of
// proto3, a zero is left out.
func protoInt(b []byte, field byte, value uint64) []byte {
	if value == 0 {
		return b
	}
	return binary.AppendUvarint(append(b, field<<3), value)
}

// protoBytes appends a field that is a text or a message.
func protoBytes(b []byte, field byte, value string) []byte {
	if value == "" {
		return b
	}
	b = binary.AppendUvarint(append(b, field<<3|2), uint64(len(value)))
	return append(b, value...)
}
