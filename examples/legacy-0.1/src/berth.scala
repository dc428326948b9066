import io.shinto.amaterasu.runtime._

AmaContext.saveDataFrame(AmaContext.getDataFrame("tally", "worst"), "berth", "kept")
AmaContext.getDataFrame("berth", "kept").count
