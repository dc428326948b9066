/* The packages that old actions import. Each knows AmaContext as the object of the attempt that asks. */
package io.shinto.amaterasu {
  package object runtime { def AmaContext: org.amaterasu.kernel.AmaContext = org.amaterasu.kernel.Bindings.current }
}

package org.apache.amaterasu.executor {
  package object runtime { def AmaContext: org.amaterasu.kernel.AmaContext = org.amaterasu.kernel.Bindings.current }
}

package org.apache.amaterasu.frameworks.spark {
  package object runtime { def AmaContext: org.amaterasu.kernel.AmaContext = org.amaterasu.kernel.Bindings.current }
}
