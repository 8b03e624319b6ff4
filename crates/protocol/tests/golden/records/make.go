// Writes the golden records with franz-go; see README.md. Arguments: bootstrap server.
package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func main() {
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	for name, codec := range codecs {
		client, err := kgo.NewClient(kgo.SeedBrokers(os.Args[1]), kgo.ProducerBatchCompression(codec),
			kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(time.Second))
		if err != nil {
			panic(err)
		}
		var records []*kgo.Record
		for i := 0; i < 20; i++ {
			record := &kgo.Record{Topic: "go-" + name, Timestamp: time.UnixMilli(1_700_000_000_000 + int64(i))}
			if i%5 != 0 {
				record.Key = []byte(fmt.Sprintf("key-%d", i))
			}
			if i%7 != 3 {
				record.Value = []byte(fmt.Sprintf("value-%d ", i) + strings.Repeat("odradek ", i))
			}
			if i%2 == 0 {
				record.Headers = append(record.Headers, kgo.RecordHeader{Key: "trace", Value: []byte(fmt.Sprintf("t%d", i))})
			}
			if i%4 == 0 {
				record.Headers = append(record.Headers, kgo.RecordHeader{Key: "empty"})
			}
			records = append(records, record)
		}
		if err := client.ProduceSync(context.Background(), records...).FirstErr(); err != nil {
			panic(err)
		}
		client.Close()
	}
}
