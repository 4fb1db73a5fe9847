package netgear

import (
	"fmt"
	"log/slog"
	"reflect"
)

// Two rules hold for options that cannot do what they are for.
//
//  1. An option without effect is ignored: at this end, in this pattern, on
//     this wire, or beside the other options. VidGear ignores them too, and
//     both of its ends get the same dictionary. New gives Logger a line for
//     each.
//  2. Options are refused that would not protect (AllowAddresses,
//     DenyAddresses, SSHTunnelMode), functions that would never be called
//     (OnReply, Respond), and modes that the pattern or the wire does not have.

// effects has, for each option that has an effect only under a condition, a
// function that returns why it has none, or "". TestEffectsOfOptions lists the
// others.
var effects = map[string]func(o *Options) string{
	"Port": func(o *Options) string { return when(len(o.Ports) > 0, "Ports is set, too, and replaces it") },

	"JPEGCompression":             (*Options).encodesNothing,
	"JPEGCompressionQuality":      (*Options).encodesNoJPEG,
	"JPEGCompressionFastDCT":      (*Options).noJPEG,
	"JPEGCompressionFastUpsample": (*Options).noJPEG,
	"JPEGStrips":                  (*Options).noJPEG,
	"JPEGCheck":                   (*Options).encodesNothing,
	"Decode":                      (*Options).decodesNoJPEG,
	"Reading":                     (*Options).decodesNoJPEG,
	"Copy":                        (*Options).receivesNothing,
	"Track": func(*Options) string {
		return "it never has one: a send call returns only when the pixels are no longer read"
	},

	"MaxRetries": func(o *Options) string {
		return when(!o.retries(), fmt.Sprintf("pattern %v has no retries at this end", o.Pattern))
	},
	"SubscriberTimeout": func(o *Options) string {
		if why := o.receivesNothing(); why != "" {
			return why
		}
		return when(o.Wire != AsyncWire && o.Pattern != PubSub, fmt.Sprintf("it is for PUB/SUB, and the pattern is %v", o.Pattern))
	},
	"TerminatePolicy": (*Options).receivesNothing,
	"TerminateDelay": func(o *Options) string {
		if why := o.sendsNothing(); why != "" {
			return why
		}
		return when(o.Wire != NetGearWire, fmt.Sprintf("the receive end of %v has no queue to discard", o.Wire))
	},
	"StallAfter": (*Options).receivesNothing,
	"HeartbeatInterval": func(o *Options) string {
		return when(o.HeartbeatInterval > 0 && !o.Pattern.spec().heartbeats, fmt.Sprintf("pattern %v has no heartbeats", o.Pattern))
	},
	"HeartbeatTimeout": func(o *Options) string {
		switch {
		case !o.Pattern.spec().heartbeats:
			return fmt.Sprintf("pattern %v has no heartbeats", o.Pattern)
		case o.HeartbeatInterval <= 0:
			return "there are no heartbeats without HeartbeatInterval"
		}
		return ""
	},

	"HighWaterMark": func(o *Options) string {
		return when(!o.publishes() && o.Pattern != PushPull, "it is for the send end of PUB/SUB, and for PUSH/PULL")
	},
	"Latest":     (*Options).receivesNothing,
	"OpenFrames": (*Options).receivesNothing,
	"QueueBytes": (*Options).receivesNothing,
	"QueueFrames": func(o *Options) string {
		if why := o.receivesNothing(); why != "" {
			return why
		}
		return when(o.Latest && !o.MultiserverMode, "Latest keeps only the newest frame")
	},
	"MaxPeers": func(o *Options) string {
		if o.servesOne() {
			return "a PAIR receive end serves one peer"
		}
		return when(!o.binds(), "it is for an end that listens, and this one connects")
	},
	"SendAhead":  (*Options).sendsNothing,
	"SendLatest": (*Options).sendsNothing,
	"Adapt":      (*Options).sendsNothing,

	"CustomCertLocation": (*Options).notSecure,
	"OverwriteCert": func(o *Options) string {
		if why := o.notSecure(); why != "" {
			return why
		}
		return when(o.ReceiveMode, "certificates are replaced at the send end only, as in VidGear")
	},
	"SSHTunnelPwd":           (*Options).noTunnel,
	"SSHTunnelKeyfile":       (*Options).noTunnel,
	"SSHTunnelKnownHosts":    (*Options).noTunnel,
	"SSHTunnelIgnoreHostKey": (*Options).noTunnel,
}

// when returns the reason if the condition holds, and otherwise "".
func when(condition bool, reason string) string {
	if condition {
		return reason
	}
	return ""
}

func (o *Options) receivesNothing() string {
	return when(!o.ReceiveMode, "it is for a receive end, and this is a send end")
}

func (o *Options) sendsNothing() string {
	return when(o.ReceiveMode, "it is for a send end, and this is a receive end")
}

// encodesNothing is about frames, and arrays that a receive end returns.
func (o *Options) encodesNothing() string {
	return when(o.ReceiveMode && !(o.Pattern.spec().answers && (o.BidirectionalMode || o.MulticlientMode)),
		"it is for frames that are sent, and this receive end returns none")
}

func (o *Options) encodesNoJPEG() string {
	if why := o.encodesNothing(); why != "" {
		return why
	}
	return when(o.JPEGCompression == JPEGOff || !o.Wire.compresses(), "no frame is encoded as a JPEG")
}

func (o *Options) noJPEG() string {
	return when(!o.Wire.compresses(), "there is no JPEG on the wire of NetGear_Async")
}

func (o *Options) decodesNoJPEG() string {
	if why := o.receivesNothing(); why != "" {
		return why
	}
	return o.noJPEG()
}

// retries reports whether MaxRetries has an effect.
func (o *Options) retries() bool {
	return o.Pattern.spec().answers || o.Pattern == PushPull && !o.ReceiveMode
}

func (o *Options) notSecure() string {
	return when(o.SecureMode == Grasslands, "it is for a SecureMode, and none is set")
}

func (o *Options) noTunnel() string {
	return when(o.SSHTunnelMode == "", "it is for an SSH tunnel, and SSHTunnelMode is not set")
}

// unused calls f for each option that is set and has no effect, with the
// reason.
func (o *Options) unused(f func(field, why string)) {
	v := reflect.ValueOf(o).Elem()
	for i := range v.NumField() {
		field := v.Type().Field(i).Name
		if effect := effects[field]; effect != nil && !v.Field(i).IsZero() {
			if why := effect(o); why != "" {
				f(field, why)
			}
		}
	}
}

// logUnused logs the options without effect.
func (o *Options) logUnused(log *slog.Logger) {
	o.unused(func(field, why string) {
		log.Info("an option has no effect here", "option", field, "key", keyOf(field), "why", why)
	})
}
